// Package securityonion holds the facts about Security Onion 2.4 and 3.x: index and field names, types and units,
// the shape of its Zeek documents, and links.
//
// It is a leaf: it imports nothing of ours, and everyone who needs such a name asks it. Facts are from Security Onion's
// published configuration, read and partly run; docs/facts/security-onion.md says which.
//
// # Units and traps
//
//   - event.duration is seconds, as a float in the document, but mapped as long: what can be searched, sorted and
//     summed is cut to whole seconds. It is neither ECS's nanoseconds nor milliseconds, and absent where Zeek has none.
//   - @timestamp is the connection's start in milliseconds; event.ingested is when the agent read the line, after the
//     connection's end. A window on @timestamp gets documents long after it has passed.
//   - source.port and destination.port are numbers in the document, client.port and server.port the same as text.
//   - network.bytes is there only when both sides' bytes are; network.protocol is absent when Zeek did not recognise
//     one, and may name several, joined with commas. source.bytes and destination.bytes are mapped and never filled.
//   - A TLS record has neither network.transport nor network.community_id: join by log.id.uid.
//   - connection.local.* come from the sensor's own list of networks, which has no IPv6: a hint, no truth.
//   - Strings have no length limit in the mapping: one of more than 32,766 bytes makes the document fail.
package securityonion
