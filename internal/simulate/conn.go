package simulate

import (
	"net/netip"

	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// Absent marks a duration or a byte count that Zeek does not log.
const Absent = hunt.Absent

// Connection is one line of conn.log.
type Connection struct {
	// Start is the first packet's time in Unix microseconds; Duration is in microseconds, or Absent.
	Start, Duration int64
	// UID is Zeek's name for it.
	UID              string
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	Proto            hunt.Transport
	// Service is what Zeek recognized, or empty.
	Service string
	// OrigBytes and RespBytes are payload bytes, or Absent; the others count packets and bytes with IP headers.
	OrigBytes, RespBytes     int64
	OrigPackets, OrigIPBytes int64
	RespPackets, RespIPBytes int64
	// State and History are Zeek's conn_state and history.
	State, History string
	// LocalOrig and LocalResp say which side is internal.
	LocalOrig, LocalResp bool
}

// fields are the columns of Zeek 8 with Security Onion's community id. ip_proto is 1, 6, 17 or 58.
func (c *Connection) fields(l *line) {
	l.moment("ts", c.Start)
	l.text("uid", c.UID)
	c.ends(l)
	l.word("proto", "enum", c.Proto.String())
	l.text("service", c.Service)
	l.span("duration", c.Duration, c.Duration >= 0)
	l.number("orig_bytes", c.OrigBytes)
	l.number("resp_bytes", c.RespBytes)
	l.text("conn_state", c.State)
	l.truth("local_orig", c.LocalOrig)
	l.truth("local_resp", c.LocalResp)
	l.number("missed_bytes", 0)
	l.text("history", c.History)
	l.number("orig_pkts", c.OrigPackets)
	l.number("orig_ip_bytes", c.OrigIPBytes)
	l.number("resp_pkts", c.RespPackets)
	l.number("resp_ip_bytes", c.RespIPBytes)
	l.list("tunnel_parents", "set[string]", nil)
	l.number("ip_proto", int64(c.Proto.Number(c.Src)))
	id := ""
	if l.mode != headerLine {
		id = securityonion.CommunityID(c.Proto.Number(c.Src), c.Src, c.Dst, c.SrcPort, c.DstPort)
	}
	l.text("community_id", id)
}

// ends are the four columns that name the two ends.
func (c *Connection) ends(l *line) {
	l.addr("id.orig_h", c.Src)
	l.port("id.orig_p", c.SrcPort)
	l.addr("id.resp_h", c.Dst)
	l.port("id.resp_p", c.DstPort)
}

// logged is when Zeek writes the connection: at its end, and where no packet marks the end, when it gives up waiting.
func (c *Connection) logged() micros {
	t := c.Start + max(c.Duration, 0)
	switch {
	case c.Proto != hunt.TCP:
		return t + minute
	case c.State == "S0":
		return t + 5*second
	}
	return t
}

// cut is the connection as it is at a moment before its end, when the sensor stops: Zeek writes it then, as it stands.
func (c *Connection) cut(end micros) {
	have := max(end-c.Start, 0)
	if c.Duration <= have {
		return
	}
	part := func(n int64) int64 {
		if n <= 0 {
			return n
		}
		return max(int64(float64(n)*(float64(have)/float64(c.Duration))), 1)
	}
	header := func(ip, payload, packets int64) int64 { return (ip - max(payload, 0)) / max(packets, 1) }
	out, in := header(c.OrigIPBytes, c.OrigBytes, c.OrigPackets), header(c.RespIPBytes, c.RespBytes, c.RespPackets)
	c.OrigBytes, c.RespBytes = part(c.OrigBytes), part(c.RespBytes)
	c.OrigPackets, c.RespPackets = part(c.OrigPackets), part(c.RespPackets)
	c.OrigIPBytes, c.RespIPBytes = max(c.OrigBytes, 0)+out*c.OrigPackets, max(c.RespBytes, 0)+in*c.RespPackets
	c.Duration = have
	if c.Proto == hunt.TCP && c.State != "S0" {
		c.State, c.History = "S1", "ShADad"
	}
}

// The ways in which an attempt ends.
type fate uint8

const (
	answered fate = iota
	ignored
	refused
)

// weigh fills state, history, packets and IP bytes of a connection whose payload and duration are set.
func (c *Connection) weigh(d dice, f fate) {
	header := int64(20)
	if c.Src.Is6() {
		header = 40
	}
	switch c.Proto {
	case hunt.TCP:
		c.weighTCP(d, f, header)
	case hunt.ICMP:
		c.State, c.OrigPackets, c.RespPackets = "OTH", max(c.OrigBytes/56, 1), c.RespBytes/56
		c.OrigIPBytes, c.RespIPBytes = c.OrigBytes+c.OrigPackets*(header+8), c.RespBytes+c.RespPackets*(header+8)
	case hunt.UDP, hunt.TransportUnknown:
		packets := func(n int64) int64 {
			if n <= 0 {
				return 0
			}
			return 1 + (n-1)/1200
		}
		if f != answered || c.RespBytes <= 0 {
			c.State, c.History, c.RespBytes = "S0", "D", 0
			c.OrigPackets = max(packets(c.OrigBytes), 1)
			if c.OrigPackets == 1 {
				c.Duration, c.OrigBytes, c.RespBytes = Absent, Absent, Absent
				c.OrigIPBytes = header + 8 + d.between(30, 60)
				return
			}
			c.OrigIPBytes = c.OrigBytes + c.OrigPackets*(header+8)
			return
		}
		c.State, c.History = "SF", "Dd"
		c.OrigPackets, c.RespPackets = packets(c.OrigBytes), packets(c.RespBytes)
		c.OrigIPBytes, c.RespIPBytes = c.OrigBytes+c.OrigPackets*(header+8), c.RespBytes+c.RespPackets*(header+8)
	}
}

func (c *Connection) weighTCP(d dice, f fate, header int64) {
	syn := header + 32
	switch f {
	case ignored:
		c.State, c.History, c.Service = "S0", "S", ""
		c.OrigPackets = d.between(1, 3)
		c.OrigIPBytes, c.RespPackets, c.RespIPBytes = c.OrigPackets*syn, 0, 0
		if c.OrigPackets == 1 {
			c.Duration, c.OrigBytes, c.RespBytes = Absent, Absent, Absent
		} else {
			c.Duration, c.OrigBytes, c.RespBytes = (c.OrigPackets*c.OrigPackets-c.OrigPackets+1)*second+d.between(0, 40*millisecond), 0, 0
		}
		return
	case refused:
		c.State, c.History, c.Service = "REJ", "Sr", ""
		c.Duration, c.OrigBytes, c.RespBytes = d.between(200, 60_000), 0, 0
		c.OrigPackets, c.OrigIPBytes, c.RespPackets, c.RespIPBytes = 1, syn, 1, header+20
		return
	case answered:
	}
	out, in := 1+(c.OrigBytes-1)/1440, 1+(c.RespBytes-1)/1440
	c.OrigPackets = 3 + out + in/2
	c.RespPackets = 2 + in + out/2
	c.OrigIPBytes = c.OrigBytes + c.OrigPackets*(header+20) + 12
	c.RespIPBytes = c.RespBytes + c.RespPackets*(header+20) + 12
	switch u := d.Float64(); {
	case u < 0.80:
		c.State, c.History = "SF", "ShADadFf"
		if u < 0.4 {
			c.History = "ShADadfF"
		}
	case u < 0.89:
		c.State, c.History = "RSTO", "ShADadFR"
	case u < 0.97:
		c.State, c.History = "RSTR", "ShADadFr"
	default:
		c.State, c.History = "SF", "ShADadtFf"
	}
}
