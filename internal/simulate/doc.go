// Package simulate makes labeled Zeek logs: a plausible network, and implants with the truth in a file next to the
// logs. Tests, trials and the demo hunt in them.
//
// It guarantees:
//
//   - The same scenario gives the same bytes on every run and host. All randomness comes from one seed, each actor has
//     its own generator, and no result depends on a processor's floating-point rounding.
//   - Everything regular by design is labeled: labels.json has every service and implant with its addresses, its number
//     of connections and the reason for its behavior.
//   - No real party is named: external addresses are from the ranges reserved by RFC 5737, RFC 2544 and RFC 3849, and
//     names end in the reserved "example".
//
// It is a discrete-event simulation. Each actor (a user at a browser, a clock daemon, an implant) has a next time to
// act, and the engine always runs the earliest. Their actions become Zeek records, which wait until Zeek would write
// them (a connection when it ends) and are then streamed out, so memory holds only what is open.
//
// Start with [Default] or [Parse], then call [Run].
package simulate
