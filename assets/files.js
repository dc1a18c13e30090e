// The part "Files".

export function start() {}

export function stop() {}
