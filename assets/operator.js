// The part "Operator".

export function start() {}

export function stop() {}
