package zeek

import (
	"encoding/binary"
	"math/bits"

	"dwell/internal/hunt"
)

// slot is a field of a record that we read, whatever column or key it came in.
type slot uint8

const (
	slotNone slot = iota
	slotTime
	slotUID
	slotSrc
	slotSrcPort
	slotDst
	slotDstPort
	slotProto
	slotService
	slotDuration
	slotOrigBytes
	slotRespBytes
	slotOrigIPBytes
	slotState
	slotPath
	slots
)

// slotOf knows the names that Zeek, and those who ship its logs, give the fields.
func slotOf(name []byte) slot {
	switch string(name) {
	case "ts":
		return slotTime
	case "uid":
		return slotUID
	case "id.orig_h", "id_orig_h":
		return slotSrc
	case "id.orig_p", "id_orig_p":
		return slotSrcPort
	case "id.resp_h", "id_resp_h":
		return slotDst
	case "id.resp_p", "id_resp_p":
		return slotDstPort
	case "proto":
		return slotProto
	case "service":
		return slotService
	case "duration":
		return slotDuration
	case "orig_bytes", "request_body_len":
		return slotOrigBytes
	case "resp_bytes", "response_body_len":
		return slotRespBytes
	case "orig_ip_bytes":
		return slotOrigIPBytes
	case "conn_state":
		return slotState
	case "_path", "@stream":
		return slotPath
	}
	return slotNone
}

// slotOfID is slotOf inside a nested "id" object.
func slotOfID(name []byte) slot {
	switch string(name) {
	case "orig_h":
		return slotSrc
	case "orig_p":
		return slotSrcPort
	case "resp_h":
		return slotDst
	case "resp_p":
		return slotDstPort
	}
	return slotNone
}

// problem is why a line is no record; empty means that it is one. They are constants, so that a million bad lines
// cost no memory.
type problem string

const (
	fine        problem = ""
	foreign     problem = "it belongs to another log"
	tooFew      problem = "it has fewer fields than the header names"
	tooMany     problem = "it has more fields than the header names"
	noHeader    problem = "no #fields line comes before it"
	badHeader   problem = "the header before it does not name the fields that are needed"
	badTime     problem = "ts is no time"
	badSrc      problem = "id.orig_h is no address"
	badDst      problem = "id.resp_h is no address"
	badPort     problem = "a port is no number from 0 to 65535"
	badDuration problem = "duration is no number of seconds"
	badCount    problem = "a byte count is no number"
	badJSON     problem = "it is no JSON object"
	badValue    problem = "a field that has to be a text or a number is neither"
	tornJSON    problem = "its JSON object does not end"
	missingTime problem = "it has no ts"
	missingAddr problem = "it has no id.orig_h or no id.resp_h"
)

// parser reads one line at a time into conn. It keeps what lines have in common (service names), so each goroutine
// has its own.
type parser struct {
	conn hunt.Connection
	// seen has a bit a slot.
	seen uint32
	// path is the log that a JSON line says it belongs to, or empty.
	path Kind
	// negative says that the duration was below zero, which a clock set back gives. It is taken as 0.
	negative bool

	services    map[string]string
	lastService string
	scratch     []byte
	// ends is where the cells of the line end.
	ends []int32
}

func newParser() *parser { return &parser{services: map[string]string{}} }

// blank is a connection of which nothing is known yet.
var blank = hunt.Connection{Duration: hunt.Absent, OrigBytes: hunt.Absent, RespBytes: hunt.Absent,
	OrigIPBytes: hunt.Absent, Count: 1}

func (p *parser) reset() {
	p.conn = blank
	p.seen = 0
	p.path = ""
	p.negative = false
}

func (p *parser) has(s slot) bool { return p.seen&(1<<s) != 0 }

// set takes the text of one field, which is neither unset nor empty.
func (p *parser) set(s slot, b []byte) problem {
	c := &p.conn
	var n int64
	ok := true
	switch s {
	case slotTime:
		if n, ok = parseTime(b); !ok {
			return badTime
		}
		c.Start = n / 1000
	case slotUID:
		c.UID = hunt.NewUID(b)
	case slotSrc:
		if c.Src, ok = parseAddr(b); !ok {
			return badSrc
		}
	case slotDst:
		if c.Dst, ok = parseAddr(b); !ok {
			return badDst
		}
	case slotSrcPort:
		if c.SrcPort, ok = parsePort(b); !ok {
			return badPort
		}
	case slotDstPort:
		if c.DstPort, ok = parsePort(b); !ok {
			return badPort
		}
	case slotProto:
		c.Proto = parseProto(b)
	case slotService:
		c.Service = p.service(b)
	case slotDuration:
		if n, ok = parseSeconds(b); !ok {
			return badDuration
		}
		if n < 0 {
			n, p.negative = 0, true
		}
		c.Duration = n / 1000
	case slotOrigBytes:
		c.OrigBytes, ok = parseCount(b)
	case slotRespBytes:
		c.RespBytes, ok = parseCount(b)
	case slotOrigIPBytes:
		c.OrigIPBytes, ok = parseCount(b)
	case slotState:
		c.State = hunt.ParseState(b)
	case slotPath:
		p.path = pathKind(b)
	case slotNone, slots:
	}
	if !ok {
		return badCount
	}
	p.seen |= 1 << s
	return fine
}

// complete says whether the fields that every record needs have come.
func (p *parser) complete() problem {
	if !p.has(slotTime) {
		return missingTime
	}
	if !p.has(slotSrc) || !p.has(slotDst) {
		return missingAddr
	}
	return fine
}

func (p *parser) service(b []byte) string {
	if string(b) == p.lastService {
		return p.lastService
	}
	s, ok := p.services[string(b)]
	if !ok {
		s = string(b)
		p.services[s] = s
	}
	p.lastService = s
	return s
}

func parseProto(b []byte) hunt.Transport {
	if len(b) == 3 && b[1] == 'c' && b[0] == 't' && b[2] == 'p' {
		return hunt.TCP
	}
	return hunt.ParseTransport(string(b))
}

// tsv reads one line by the header's columns.
func (p *parser) tsv(line []byte, h *header, cols *columns) problem {
	p.reset()
	if h.fields == nil {
		return noHeader
	}
	if h.problem != "" {
		return badHeader
	}
	p.ends = cut(p.ends[:0], line, h.separator)
	start := 0
	for i, s := range cols.slots {
		if i == len(p.ends) {
			break
		}
		cell := line[start:p.ends[i]]
		start = int(p.ends[i]) + 1
		if s == slotNone || len(cell) == 0 || string(cell) == h.unset || string(cell) == h.empty {
			continue
		}
		if why := p.set(s, cell); why != fine {
			return why
		}
	}
	if why := h.fit(len(p.ends), line); why != fine {
		return why
	}
	return p.complete()
}

// cut appends to ends where each cell of a line ends: the places of the separators and the line's length. It looks at
// eight bytes at a time: (x & 0x7f..) + 0x7f.. carries into a byte's high bit exactly where its low bits are not zero.
func cut(ends []int32, line []byte, separator byte) []int32 {
	const lows = 0x7f7f7f7f7f7f7f7f
	pattern := 0x0101010101010101 * uint64(separator)
	i := 0
	for ; i+8 <= len(line); i += 8 {
		x := binary.LittleEndian.Uint64(line[i:]) ^ pattern
		for hits := ^((x&lows + lows) | x | lows); hits != 0; hits &= hits - 1 {
			ends = append(ends, int32(i+bits.TrailingZeros64(hits)/8))
		}
	}
	for ; i < len(line); i++ {
		if line[i] == separator {
			ends = append(ends, int32(i))
		}
	}
	return append(ends, int32(len(line)))
}
