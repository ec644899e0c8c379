// Package securityonion holds facts about Security Onion 2.4 and 3.x: index and field names, types and units, the shape
// of its Zeek documents, and links.
//
// It imports none of dwell's packages, so that every package can use it. Sources: docs/facts/security-onion.md.
//
// # Units and pitfalls
//
//   - event.duration is seconds: a float in the document, but mapped as long, so searches, sorts and sums see whole
//     seconds. It is not in ECS's nanoseconds, and absent where Zeek logs no duration.
//   - @timestamp is the connection's start in milliseconds; event.ingested is when the agent read the line, after the
//     connection's end. Documents for a window on @timestamp arrive long after it ends.
//   - source.port and destination.port are numbers in the document, client.port and server.port the same as text.
//   - network.bytes exists only if both directions have bytes. network.protocol is absent if Zeek recognized none, and
//     may name several, joined with commas. source.bytes and destination.bytes are mapped and never filled.
//   - A TLS record has neither network.transport nor network.community_id: join by log.id.uid.
//   - connection.local.* use the sensor's own list of networks, which lacks IPv6: a hint, not a fact.
//   - The mapping sets no length limit for strings: one of more than 32,766 bytes makes the document fail.
package securityonion
