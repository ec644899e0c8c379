package simulate

import (
	"context"
	"net/netip"

	"dwell/internal/hunt"
)

// record is one line of a log.
type record interface{ fields(l *line) }

// Log is the name of a record's log.
type Log string

// The logs that are written.
const (
	ConnLog     Log = "conn"
	DNSLog      Log = "dns"
	SSLLog      Log = "ssl"
	HTTPLog     Log = "http"
	FilesLog    Log = "files"
	X509Log     Log = "x509"
	DHCPLog     Log = "dhcp"
	KerberosLog Log = "kerberos"
	NTLMLog     Log = "ntlm"
	SoftwareLog Log = "software"
	IntelLog    Log = "intel"
	WeirdLog    Log = "weird"
	NoticeLog   Log = "notice"
	SOCKSLog    Log = "socks"
)

// Logs are the names of all logs that [Run] can write.
func Logs() []string {
	return []string{"conn", "dns", "ssl", "http", "files", "x509", "dhcp", "kerberos", "ntlm", "software", "intel", "weird", "notice"}
}

// actor does something at its next time, and returns a later one, or never.
type actor interface {
	// act does what is due at t and returns the next time, after t.
	act(e *engine, t micros) micros
}

// udp abbreviates the transport of most actors.
const udp = hunt.UDP

const never micros = 1<<63 - 1

// engine runs the actors in order of time and streams out their records.
type engine struct {
	*world
	actors heap[turn]
	wait   heap[entry]
	emit   func(log Log, written micros, r record) error
	serial uint64
	labels []*Label
	// details is the randomness inside connections. It is separate from the actors', so that conn.log does not depend
	// on the other logs.
	details dice
	// names is the randomness of the logs with names of hosts and users, separate too.
	names           dice
	onlyConnections bool
	// certs and warned are the certificates already logged or warned of, with the time until which that holds.
	certs, warned map[string]micros
	// programs are those in the software log, likewise.
	programs map[string]micros
}

// turn is an actor's next time.
type turn struct {
	at    micros
	order uint64
	who   actor
}

func (a turn) before(b turn) bool { return a.at < b.at || a.at == b.at && a.order < b.order }

// entry is a record with the time at which Zeek writes it.
type entry struct {
	at    micros
	order uint64
	log   Log
	rec   record
}

func (a entry) before(b entry) bool { return a.at < b.at || a.at == b.at && a.order < b.order }

// add adds an actor.
func (e *engine) add(who actor, first micros) {
	if first < e.end {
		e.serial++
		e.actors.push(turn{first, e.serial, who})
	}
}

// run simulates the whole window. Records are output in the order in which Zeek writes them.
func (e *engine) run(ctx context.Context) error {
	for n := 0; len(e.actors) > 0; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		now := e.actors[0]
		if err := e.flush(now.at); err != nil {
			return err
		}
		next := now.who.act(e, now.at)
		if next <= now.at {
			next = now.at + 1
		}
		if next >= e.end {
			e.actors.pop()
			continue
		}
		now.at = next
		e.actors.replace(now)
	}
	return e.flush(never)
}

// flush outputs the records written before t: nothing that happens later can be written earlier.
func (e *engine) flush(t micros) error {
	for len(e.wait) > 0 && e.wait[0].at < t {
		r := e.wait.pop()
		if err := e.emit(r.log, r.at, r.rec); err != nil {
			return err
		}
	}
	return nil
}

// put queues a record until it is written, and drops it outside the window.
func (e *engine) put(log Log, at micros, r record) {
	if at >= e.start && at < e.end {
		e.serial++
		e.wait.push(entry{at, e.serial, log, r})
	}
}

// connect completes a connection and reports whether it is in the window.
func (e *engine) connect(c *Connection) bool {
	if c.Start < e.start || c.Start >= e.end {
		return false
	}
	c.cut(e.end)
	c.LocalOrig, c.LocalResp = e.internal(c.Src), e.internal(c.Dst)
	e.serial++
	e.wait.push(entry{min(c.logged(), e.end), e.serial, ConnLog, c})
	return true
}

func (e *engine) internal(a netip.Addr) bool {
	for _, p := range e.sc.Internal {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// flow is an actor's request to the network; send makes a connection of it.
type flow struct {
	from       *host
	src, dst   netip.Addr
	sport      uint16
	dport      uint16
	proto      hunt.Transport
	service    string
	start, dur micros
	out, in    int64
	fate       fate
	label      *Label
	// open: it does not end in the window, and nothing interrupts it.
	open bool
	// hello and request are visible inside, if set.
	hello   *hello
	request *request
	socks   *socksAsked
}

// send makes the connection and returns it, or nil outside the window.
func (e *engine) send(d dice, f flow) *Connection {
	c := &Connection{Start: f.start, Duration: max(f.dur, 1), UID: d.id('C'), Src: f.src, Dst: f.dst, SrcPort: f.sport, DstPort: f.dport,
		Proto: f.proto, Service: f.service, OrigBytes: f.out, RespBytes: f.in}
	if !c.Src.IsValid() {
		c.Src = f.from.addr
		if c.Dst.Is6() {
			c.Src = f.from.addr6
		}
	}
	if c.SrcPort == 0 && f.from != nil && f.proto != hunt.ICMP {
		c.SrcPort = f.from.ephemeral(d)
	}
	c.weigh(d, f.fate)
	if f.open {
		if c.Start < e.start || c.Start >= e.end {
			return nil
		}
	} else if !e.connect(c) {
		return nil
	}
	if f.label != nil {
		f.label.Connections++
	}
	e.seen(c, &f)
	return c
}

// ordered is a type with an order.
type ordered[T any] interface{ before(other T) bool }

// heap is a binary heap of ordered values.
type heap[T ordered[T]] []T

func (h *heap[T]) push(v T) {
	*h = append(*h, v)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if !s[i].before(s[up]) {
			return
		}
		s[i], s[up] = s[up], s[i]
		i = up
	}
}

func (h *heap[T]) pop() T {
	s := *h
	first, last := s[0], s[len(s)-1]
	var zero T
	s[len(s)-1] = zero
	*h = s[:len(s)-1]
	if len(*h) > 0 {
		h.replace(last)
	}
	return first
}

// replace replaces the first value.
func (h *heap[T]) replace(v T) {
	s := *h
	i := 0
	for {
		down := 2*i + 1
		if down >= len(s) {
			break
		}
		if down+1 < len(s) && s[down+1].before(s[down]) {
			down++
		}
		if !s[down].before(v) {
			break
		}
		s[i] = s[down]
		i = down
	}
	s[i] = v
}
