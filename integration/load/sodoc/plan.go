package sodoc

import (
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// plan is how the documents of one log are made.
type plan struct {
	log     string
	columns []string
	slots   map[string]int
	root    *node
}

// The first slots are the same in every log.
const (
	slotTime = iota
	slotUID
	slotSrc
	slotSrcPort
	slotDst
	slotDstPort
	slotProto
	slotDuration
	firstOwn
)

// columnField maps a column to a field; an empty field means that the column is only read.
type columnField struct{ column, field string }

// Convertible are the logs that can be converted.
func Convertible() []string { return slices.Sorted(maps.Keys(tables())) }

func planFor(log string) (*plan, error) {
	table, ok := tables()[log]
	if !ok {
		return nil, fmt.Errorf("%s: %w (known: %s)", log, ErrUnknownLog, strings.Join(Convertible(), ", "))
	}
	p := &plan{log: log, root: &node{}, slots: map[string]int{},
		columns: []string{"ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "duration"}}
	if log == "dns" {
		p.columns[slotDuration] = "rtt"
	}
	for _, f := range table {
		if !slices.Contains(p.columns, f.column) {
			p.columns = append(p.columns, f.column)
		}
	}
	for i, c := range p.columns {
		p.slots[c] = i
	}
	p.head()
	for _, f := range table {
		if f.field != "" {
			p.field(f.field, p.raw(f.column))
		}
	}
	p.ends()
	switch log {
	case "conn":
		p.conn()
	case "dns":
		p.dns()
	case "http":
		p.field("network.transport", constant(`"tcp"`))
		p.community()
	case "notice":
		p.community()
	case "files":
		p.files()
	case "software":
		for _, side := range []string{"source", "client"} {
			p.field(side+".ip", p.raw("host"))
		}
		p.field("source.port", p.raw("host_p"))
	case "ssl":
		for _, h := range []string{"ja4", "ja4s"} {
			p.field("hash."+h, p.filled(h))
		}
	}
	return p, nil
}

func (p *plan) field(path string, emit func(b []byte, v *values) []byte) {
	p.root.put(strings.Split(path, "."), emit)
}

// raw copies a column unchanged.
func (p *plan) raw(column string) func(b []byte, v *values) []byte {
	i := p.slots[column]
	return func(b []byte, v *values) []byte { return append(b, v.raw[i]...) }
}

// filled copies a column unless it is an empty string.
func (p *plan) filled(column string) func(b []byte, v *values) []byte {
	i := p.slots[column]
	return func(b []byte, v *values) []byte {
		if string(v.raw[i]) == `""` {
			return b
		}
		return append(b, v.raw[i]...)
	}
}

func constant(s string) func(b []byte, v *values) []byte {
	return func(b []byte, _ *values) []byte { return append(b, s...) }
}

// head has the fields of every document.
func (p *plan) head() {
	p.field("@timestamp", func(b []byte, v *values) []byte { return appendTime(b, v.ms) })
	p.field("@version", constant(`"1"`))
	p.field("ecs.version", constant(`"8.0.0"`))
	p.field("event.category", constant(`"network"`))
	p.field("event.module", constant(`"zeek"`))
	p.field("event.dataset", constant(`"`+securityonion.Dataset(p.log)+`"`))
	p.field("event.ingested", func(b []byte, v *values) []byte {
		if !v.meta.Ingested.IsZero() {
			return appendTime(b, v.meta.Ingested.UnixMilli())
		}
		lasted, _ := strconv.ParseFloat(string(v.raw[slotDuration]), 64)
		return appendTime(b, v.ms+int64(lasted*1000)+ingestLag.Milliseconds())
	})
	p.field("event.imported", func(b []byte, v *values) []byte {
		if v.meta.Import {
			b = append(b, "true"...)
		}
		return b
	})
	p.field("data_stream.type", constant(`"logs"`))
	p.field("data_stream.dataset", func(b []byte, v *values) []byte {
		if v.meta.Import {
			return append(b, `"import"`...)
		}
		return append(b, `"zeek"`...)
	})
	p.field("data_stream.namespace", constant(`"so"`))
	p.field("pipeline", constant(`"`+p.log+`"`))
	p.field("input.type", constant(`"log"`))
	p.field("tags", func(b []byte, v *values) []byte {
		_, tag, _ := strings.Cut(securityonion.Dataset(p.log), ".")
		b = append(b, `["elastic-agent","beats_input_codec_plain_applied","`...)
		b = append(b, tag...)
		if v.meta.Import {
			b = append(b, `","import`...)
		}
		return append(b, `"]`...)
	})
	p.field("observer.name", func(b []byte, v *values) []byte {
		if v.meta.Observer == "" {
			return b
		}
		return appendText(b, v.meta.Observer)
	})
	p.field("log.file.path", func(b []byte, v *values) []byte {
		if v.meta.Path == "" {
			return b
		}
		return appendText(b, v.meta.Path)
	})
	p.field("message", func(b []byte, v *values) []byte { return appendText(b, v.line) })
}

// ends has the two endpoints: numbers under source and destination, and the same ports as text under client and server.
func (p *plan) ends() {
	p.field("log.id.uid", p.raw("uid"))
	for _, e := range []struct {
		addr, port     int
		first, another string
	}{{slotSrc, slotSrcPort, "source", "client"}, {slotDst, slotDstPort, "destination", "server"}} {
		addr := func(b []byte, v *values) []byte { return append(b, v.raw[e.addr]...) }
		p.field(e.first+".ip", addr)
		p.field(e.first+".port", func(b []byte, v *values) []byte { return append(b, v.raw[e.port]...) })
		p.field(e.another+".ip", addr)
		p.field(e.another+".port", func(b []byte, v *values) []byte {
			if v.raw[e.port] == nil || v.raw[e.port][0] < '0' || v.raw[e.port][0] > '9' {
				return b
			}
			b = append(b, '"')
			b = append(b, v.raw[e.port]...)
			return append(b, '"')
		})
	}
	p.field("event.duration", func(b []byte, v *values) []byte { return append(b, v.raw[slotDuration]...) })
}

func (p *plan) conn() {
	for _, h := range []string{"ja4l", "ja4ls", "ja4t", "ja4ts"} {
		p.field("hash."+h, p.filled(h))
	}
	out, in, state := p.slots["orig_bytes"], p.slots["resp_bytes"], p.slots["conn_state"]
	p.field("network.bytes", func(b []byte, v *values) []byte {
		x, err1 := strconv.ParseInt(string(v.raw[out]), 10, 64)
		y, err2 := strconv.ParseInt(string(v.raw[in]), 10, 64)
		if err1 != nil || err2 != nil {
			return b
		}
		return strconv.AppendInt(b, x+y, 10)
	})
	p.field("connection.state_description", func(b []byte, v *values) []byte {
		if s := describe(v.raw[state]); s != "" {
			b = appendText(b, s)
		}
		return b
	})
	p.community()
}

// describe is the meaning of a conn_state (raw JSON) in the documents' wording, so that searches match.
func describe(raw []byte) string {
	switch string(raw) {
	case `"S0"`:
		return "Connection attempt seen, no reply"
	case `"S1"`:
		return "Connection established, not terminated"
	case `"S2"`:
		return "Connection established and close attempt by originator seen (but no reply from responder)"
	case `"S3"`:
		return "Connection established and close attempt by responder seen (but no reply from originator)"
	case `"SF"`:
		return "Normal SYN/FIN completion"
	case `"REJ"`:
		return "Connection attempt rejected"
	case `"RSTO"`:
		return "Connection established, originator aborted (sent a RST)"
	case `"RSTR"`:
		return "Established, responder aborted"
	case `"RSTOS0"`:
		return "Originator sent a SYN followed by a RST, we never saw a SYN-ACK from the responder"
	case `"RSTRH"`:
		return "Responder sent a SYN ACK followed by a RST, we never saw a SYN from the (purported) originator"
	case `"SH"`:
		return "Originator sent a SYN followed by a FIN, we never saw a SYN ACK from the responder (hence the connection was 'half' open)"
	case `"SHR"`:
		return "Responder sent a SYN ACK followed by a FIN, we never saw a SYN from the originator"
	case `"OTH"`:
		return "No SYN seen, just midstream traffic (a 'partial connection' that was not later closed)"
	}
	return ""
}

// community computes the flow hash, as the cluster does for records with a transport.
func (p *plan) community() {
	tcp := p.log == "http"
	p.field("network.community_id", func(b []byte, v *values) []byte {
		src, err1 := netip.ParseAddr(unquoted(v.raw[slotSrc]))
		dst, err2 := netip.ParseAddr(unquoted(v.raw[slotDst]))
		sp, err3 := strconv.ParseUint(string(v.raw[slotSrcPort]), 10, 16)
		dp, err4 := strconv.ParseUint(string(v.raw[slotDstPort]), 10, 16)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
			return b
		}
		proto := hunt.TCP
		if !tcp {
			proto = hunt.ParseTransport(unquoted(v.raw[slotProto]))
		}
		if proto == hunt.TransportUnknown {
			return b
		}
		id := securityonion.CommunityID(proto.Number(src), src, dst, uint16(sp), uint16(dp))
		if id == "" {
			return b
		}
		return appendText(b, id)
	})
}

// unquoted is a string without its quotes; the columns read have no escapes.
func unquoted(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	return string(raw[1 : len(raw)-1])
}

// files: the sender is the source, the receiver the destination, and the uid is a list.
func (p *plan) files() {
	uids, uid := p.slots["conn_uids"], slotUID
	p.field("log.id.uid", func(b []byte, v *values) []byte {
		if v.raw[uids] != nil || v.raw[uid] == nil {
			return append(b, v.raw[uids]...)
		}
		b = append(b, '[')
		b = append(b, v.raw[uid]...)
		return append(b, ']')
	})
	for _, e := range []struct {
		list           string
		end            int
		first, another string
	}{{"tx_hosts", slotSrc, "source", "client"}, {"rx_hosts", slotDst, "destination", "server"}} {
		list := p.slots[e.list]
		addr := func(b []byte, v *values) []byte {
			if one := firstOf(v.raw[list]); one != nil {
				return append(b, one...)
			}
			return append(b, v.raw[e.end]...)
		}
		p.field(e.first+".ip", addr)
		p.field(e.another+".ip", addr)
	}
}

// firstOf is the first element of a raw array, or nil.
func firstOf(raw []byte) []byte {
	if len(raw) < 3 || raw[0] != '[' {
		return nil
	}
	s := scanner{b: raw, i: 1}
	s.space()
	if s.b[s.i] == ']' {
		return nil
	}
	return s.value()
}
