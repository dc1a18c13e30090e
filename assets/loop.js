// The part "Loop".

export function start() {}

export function stop() {}
