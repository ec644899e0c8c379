package zeek

import (
	"context"
	"net/netip"
	"strings"
	"sync"

	"dwell/internal/hunt"
)

// tallied bounds how many different texts one machine is remembered by; a scanner sends a new user agent each time.
const tallied = 4096

// sayings counts texts of machines.
type sayings struct {
	mu   sync.Mutex
	of   map[netip.Addr]map[saidKey]int64
	want map[netip.Addr]bool
}

// The lists of a hunt.Machine.
const (
	saidName = iota
	saidMAC
	saidUser
	saidAgent
	saidSoftware
)

type saidKey struct {
	list     int
	text, by string
}

func (s *sayings) add(a netip.Addr, list int, by string, text []byte) {
	if !s.want[a] || len(text) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	texts := s.of[a]
	if texts == nil {
		texts = map[saidKey]int64{}
		s.of[a] = texts
	}
	k := saidKey{list, string(text), by}
	if _, known := texts[k]; known || len(texts) < tallied {
		texts[k]++
	}
}

// Machines is [hunt.Session.Machines] out of dhcp, kerberos, ntlm and software logs, and with talk http and dns logs.
func (s *Source) Machines(ctx context.Context, req hunt.Request, addrs []netip.Addr, talk bool) (map[netip.Addr]*hunt.Machine, hunt.Remarks, error) {
	t := &sayings{of: map[netip.Addr]map[saidKey]int64{}, want: map[netip.Addr]bool{}}
	pointers := map[string]netip.Addr{}
	for _, a := range addrs {
		t.want[a] = true
		pointers[hunt.ReverseName(a)] = a
	}
	logs := []struct {
		kinds  []Kind
		fields []string
		take   func(r *Record)
		talk   bool
	}{
		{[]Kind{DHCP}, []string{"assigned_addr", "client_addr", "host_name", "mac"}, func(r *Record) {
			for _, field := range []string{"assigned_addr", "client_addr"} {
				t.add(r.Addr(field), saidName, hunt.ByDHCP, r.Text("host_name"))
				t.add(r.Addr(field), saidMAC, hunt.ByDHCP, r.Text("mac"))
			}
		}, false},
		{[]Kind{Kerberos}, []string{"id.orig_h", "client"}, func(r *Record) {
			if name, machine := hunt.KerberosClient(string(r.Text("client"))); machine {
				t.add(r.Addr("id.orig_h"), saidName, hunt.ByKerberos, []byte(name))
			} else {
				t.add(r.Addr("id.orig_h"), saidUser, hunt.ByKerberos, []byte(name))
			}
		}, false},
		{[]Kind{NTLM}, []string{"id.orig_h", "id.resp_h", "hostname", "username", "server_dns_computer_name"}, func(r *Record) {
			t.add(r.Addr("id.orig_h"), saidName, hunt.ByNTLM, r.Text("hostname"))
			t.add(r.Addr("id.orig_h"), saidUser, hunt.ByNTLM, r.Text("username"))
			t.add(r.Addr("id.resp_h"), saidName, hunt.ByNTLM, r.Text("server_dns_computer_name"))
		}, false},
		{[]Kind{Software}, []string{"host", "software_type", "name", "unparsed_version"}, func(r *Record) {
			t.add(r.Addr("host"), saidSoftware, string(r.Text("software_type")), []byte(hunt.SoftwareText(string(r.Text("name")), string(r.Text("unparsed_version")))))
		}, false},
		{[]Kind{HTTPLog, OpenHTTP}, []string{"id.orig_h", "user_agent"}, func(r *Record) {
			t.add(r.Addr("id.orig_h"), saidAgent, "http", r.Text("user_agent"))
		}, true},
		{[]Kind{DNSLog}, []string{"query", "answers"}, func(r *Record) {
			query := string(r.Text("query"))
			pointed, pointer := pointers[strings.ToLower(query)]
			for answer := range r.List("answers") {
				if pointer {
					t.add(pointed, saidName, hunt.ByDNS, answer)
				} else if a, err := netip.ParseAddr(string(answer)); err == nil {
					t.add(a.Unmap(), saidName, hunt.ByDNS, []byte(query))
				}
			}
		}, true},
	}
	var remarks hunt.Remarks
	var missing []string
	for _, l := range logs {
		if l.talk && !talk {
			continue
		}
		out, err := Records(ctx, Query{Paths: s.opts.Paths, Kinds: l.kinds, Fields: l.fields, From: hunt.NamesFrom(req), To: req.To, Workers: s.opts.Workers},
			func(r *Record) error { l.take(r); return nil })
		if err != nil {
			return nil, remarks, err
		}
		remarks.Add(hunt.Remarks{Notes: out.Notes, Gaps: out.Gaps})
		if out.Files == 0 {
			missing = append(missing, string(l.kinds[0]))
		}
	}
	if note, ok := hunt.NoMachineLogs(missing, "give the folder with all of Zeek's logs"); ok {
		remarks.Notes = append(remarks.Notes, note)
	}
	return t.machines(), remarks, nil
}

func (s *sayings) machines() map[netip.Addr]*hunt.Machine {
	out := map[netip.Addr]*hunt.Machine{}
	for a, texts := range s.of {
		m := &hunt.Machine{AlertCount: hunt.Absent}
		lists := []*[]hunt.Said{&m.Names, &m.MACs, &m.Users, &m.Agents, &m.Software}
		for k, n := range texts {
			*lists[k.list] = append(*lists[k.list], hunt.Said{Text: k.text, By: k.by, Count: n})
		}
		for _, l := range lists {
			*l = hunt.SortSaid(*l)
		}
		out[a] = m
	}
	return out
}

// Contacts is [hunt.Session.Contacts] by one pass over the conn logs.
func (s *Source) Contacts(ctx context.Context, req hunt.Request, addr netip.Addr, outside []netip.Addr) (hunt.Contacts, hunt.Remarks, error) {
	type key struct {
		ip    netip.Addr
		port  uint16
		proto hunt.Transport
	}
	c := hunt.Contacts{Neighbours: map[netip.Addr][]netip.Addr{}, OutsideFirst: map[netip.Addr]int64{}}
	others := map[netip.Addr]map[netip.Addr]bool{}
	for _, o := range outside {
		others[o] = map[netip.Addr]bool{}
	}
	inside := map[key]*hunt.Inside{}
	var mu sync.Mutex
	out, err := Records(ctx, Query{Paths: s.opts.Paths, Kinds: []Kind{Conn, OpenConn, ConnLong}, Fields: []string{"id.orig_h", "id.resp_h", "id.resp_p", "proto"},
		From: req.From, To: req.To, Workers: s.opts.Workers}, func(r *Record) error {
		src, dst := r.Addr("id.orig_h"), r.Addr("id.resp_h")
		sources := others[dst]
		if src != addr && dst != addr && sources == nil {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if src == addr || dst == addr {
			if c.Connections == 0 || r.Start < c.First {
				c.First = r.Start
			}
			c.Last = max(c.Last, r.Start)
			c.Connections++
		}
		switch {
		case src != addr && sources != nil && req.Scope.IsInternal(src):
			sources[src] = true
		case src == addr && sources != nil:
			if first, ok := c.OutsideFirst[dst]; !ok || r.Start < first {
				c.OutsideFirst[dst] = r.Start
			}
		case src == addr && dst != addr && req.Scope.IsInternal(dst):
			k := key{dst, r.Port("id.resp_p"), parseProto(r.Text("proto"))}
			i := inside[k]
			if i == nil {
				i = &hunt.Inside{IP: k.ip, Port: k.port, Proto: k.proto, First: r.Start}
				inside[k] = i
			}
			i.Connections++
			i.First, i.Last = min(i.First, r.Start), max(i.Last, r.Start)
			c.InsideConnections++
		}
		return nil
	})
	if err != nil {
		return c, hunt.Remarks{}, err
	}
	for _, i := range inside {
		c.Inside = append(c.Inside, *i)
	}
	for o, sources := range others {
		for src := range sources {
			c.Neighbours[o] = append(c.Neighbours[o], src)
		}
	}
	c.Settle()
	return c, hunt.Remarks{Notes: out.Notes, Gaps: out.Gaps}, nil
}
