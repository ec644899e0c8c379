package zeek

import (
	"context"
	"net/netip"
	"strings"
	"sync"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// tallied bounds the different texts kept for one host: a scanner sends a new user agent each time.
const tallied = 4096

// hostTexts counts texts by host.
type hostTexts struct {
	mu   sync.Mutex
	of   map[netip.Addr]map[textKey]int64
	want map[netip.Addr]bool
}

// The lists of a hunt.HostLogs.
const (
	listName = iota
	listMAC
	listUser
	listAgent
	listSoftware
)

type textKey struct {
	list     int
	text, by string
}

func (s *hostTexts) add(a netip.Addr, list int, by string, text []byte) {
	if !s.want[a] || len(text) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	texts := s.of[a]
	if texts == nil {
		texts = map[textKey]int64{}
		s.of[a] = texts
	}
	k := textKey{list, string(text), by}
	if _, known := texts[k]; known || len(texts) < tallied {
		texts[k]++
	}
}

// Hosts is [hunt.Session.Hosts], from dhcp, kerberos, ntlm and software logs, and with talk from http and dns logs.
func (s *Source) Hosts(ctx context.Context, req hunt.Request, addrs []netip.Addr, talk bool) (map[netip.Addr]*hunt.HostLogs, hunt.Remarks, error) {
	t := &hostTexts{of: map[netip.Addr]map[textKey]int64{}, want: map[netip.Addr]bool{}}
	pointers := map[string]netip.Addr{}
	for _, a := range addrs {
		t.want[a] = true
		pointers[hunt.ReverseName(a)] = a
	}
	logs := []struct {
		kinds  []log.Kind
		fields []log.Field
		take   func(r *log.Record)
		talk   bool
	}{
		{[]log.Kind{log.DHCP}, []log.Field{log.AssignedAddr, log.ClientAddr, log.HostName, log.MAC}, func(r *log.Record) {
			for _, field := range []log.Field{log.AssignedAddr, log.ClientAddr} {
				t.add(r.Addr(field), listName, hunt.ByDHCP, r.Text(log.HostName))
				t.add(r.Addr(field), listMAC, hunt.ByDHCP, r.Text(log.MAC))
			}
		}, false},
		{[]log.Kind{log.Kerberos}, []log.Field{log.OrigH, log.Client}, func(r *log.Record) {
			if name, machine := hunt.KerberosClient(string(r.Text(log.Client))); machine {
				t.add(r.Addr(log.OrigH), listName, hunt.ByKerberos, []byte(name))
			} else {
				t.add(r.Addr(log.OrigH), listUser, hunt.ByKerberos, []byte(name))
			}
		}, false},
		{[]log.Kind{log.NTLM}, []log.Field{log.OrigH, log.RespH, log.NTLMHost, log.UserName, log.ServerDNSName}, func(r *log.Record) {
			t.add(r.Addr(log.OrigH), listName, hunt.ByNTLM, r.Text(log.NTLMHost))
			t.add(r.Addr(log.OrigH), listUser, hunt.ByNTLM, r.Text(log.UserName))
			t.add(r.Addr(log.RespH), listName, hunt.ByNTLM, r.Text(log.ServerDNSName))
		}, false},
		{[]log.Kind{log.Software}, []log.Field{log.Host, log.SoftwareType, log.Name, log.Version}, func(r *log.Record) {
			t.add(r.Addr(log.Host), listSoftware, string(r.Text(log.SoftwareType)), []byte(hunt.SoftwareText(string(r.Text(log.Name)), string(r.Text(log.Version)))))
		}, false},
		{[]log.Kind{log.HTTPLog, log.OpenHTTP}, []log.Field{log.OrigH, log.UserAgent}, func(r *log.Record) {
			t.add(r.Addr(log.OrigH), listAgent, "http", r.Text(log.UserAgent))
		}, true},
		{[]log.Kind{log.DNSLog}, []log.Field{log.Query, log.Answers}, func(r *log.Record) {
			query := string(r.Text(log.Query))
			pointed, pointer := pointers[strings.ToLower(query)]
			for answer := range r.List(log.Answers) {
				if pointer {
					t.add(pointed, listName, hunt.ByDNS, answer)
				} else if a, err := netip.ParseAddr(string(answer)); err == nil {
					t.add(a.Unmap(), listName, hunt.ByDNS, []byte(query))
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
		out, err := s.each(ctx, query{kinds: l.kinds, fields: l.fields, from: hunt.NamesFrom(req), to: req.To},
			func(r *log.Record) error { l.take(r); return nil })
		if err != nil {
			return nil, remarks, err
		}
		remarks.Add(hunt.Remarks{Notes: out.Notes, Gaps: out.Gaps})
		if out.files == 0 {
			missing = append(missing, string(l.kinds[0]))
		}
	}
	if note, ok := hunt.NoHostLogs(missing, "give the directory with all of Zeek's logs"); ok {
		remarks.Notes = append(remarks.Notes, note)
	}
	return t.hosts(), remarks, nil
}

func (s *hostTexts) hosts() map[netip.Addr]*hunt.HostLogs {
	out := map[netip.Addr]*hunt.HostLogs{}
	for a, texts := range s.of {
		m := &hunt.HostLogs{AlertCount: hunt.Absent}
		lists := []*[]hunt.LogText{&m.Names, &m.MACs, &m.Users, &m.Agents, &m.Software}
		for k, n := range texts {
			*lists[k.list] = append(*lists[k.list], hunt.LogText{Text: k.text, By: k.by, Count: n})
		}
		for _, l := range lists {
			*l = hunt.SortLogTexts(*l)
		}
		out[a] = m
	}
	return out
}

// Contacts is [hunt.Session.Contacts] in one pass over the conn logs.
func (s *Source) Contacts(ctx context.Context, req hunt.Request, addr netip.Addr, outside []netip.Addr) (hunt.Contacts, hunt.Remarks, error) {
	type key struct {
		ip    netip.Addr
		port  uint16
		proto hunt.Transport
	}
	c := hunt.Contacts{Neighbors: map[netip.Addr][]netip.Addr{}, ExternalFirst: map[netip.Addr]int64{}}
	others := map[netip.Addr]map[netip.Addr]bool{}
	for _, o := range outside {
		others[o] = map[netip.Addr]bool{}
	}
	inside := map[key]*hunt.InternalDestination{}
	var mu sync.Mutex
	out, err := s.each(ctx, query{kinds: []log.Kind{log.Conn, log.OpenConn, log.ConnLong}, fields: []log.Field{log.OrigH, log.RespH, log.RespP, log.Proto},
		from: req.From, to: req.To}, func(r *log.Record) error {
		src, dst := r.Addr(log.OrigH), r.Addr(log.RespH)
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
			if first, ok := c.ExternalFirst[dst]; !ok || r.Start < first {
				c.ExternalFirst[dst] = r.Start
			}
		case src == addr && dst != addr && req.Scope.IsInternal(dst):
			k := key{dst, r.Port(log.RespP), r.Proto(log.Proto)}
			i := inside[k]
			if i == nil {
				i = &hunt.InternalDestination{IP: k.ip, Port: k.port, Proto: k.proto, First: r.Start}
				inside[k] = i
			}
			i.Connections++
			i.First, i.Last = min(i.First, r.Start), max(i.Last, r.Start)
			c.InternalConnections++
		}
		return nil
	})
	if err != nil {
		return c, hunt.Remarks{}, err
	}
	for _, i := range inside {
		c.Internal = append(c.Internal, *i)
	}
	for o, sources := range others {
		for src := range sources {
			c.Neighbors[o] = append(c.Neighbors[o], src)
		}
	}
	c.Settle()
	return c, hunt.Remarks{Notes: out.Notes, Gaps: out.Gaps}, nil
}
