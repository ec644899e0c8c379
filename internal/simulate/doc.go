// Package simulate makes labelled Zeek logs: a plausible network, and implants with the truth in a file next to the
// logs. Tests, trials and the demo hunt in them.
//
// It promises three things.
//
//   - The same scenario gives the same bytes, on every run and on every host: all chance comes from one seed, each
//     actor has a generator of its own, and no result depends on how a processor rounds a logarithm.
//   - Nothing is unlabelled that is regular by design: every service and every implant of the scenario stands in
//     labels.json with its addresses, its count and the reason why it looks as it does.
//   - Nobody is accused: outside addresses are from the ranges that RFC 5737, RFC 2544 and RFC 3849 set aside, names
//     end in the reserved "example".
//
// It is a discrete-event simulation. Actors (a person at a browser, a clock daemon, an implant) have a next moment each;
// the engine always lets the earliest act. What they do becomes Zeek records, which wait until Zeek would have written
// them (a connection when it ends) and are then streamed out, so memory holds no more than what is open.
//
// Start with [Default] or [Parse], then [Run]. [Connections] gives the records without files.
package simulate
