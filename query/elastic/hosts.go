package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"golang.org/x/sync/errgroup"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

const (
	// hostBatch addresses go into one search; with at most a dozen lists of hostTexts each it has 12,000 buckets.
	hostBatch, hostTexts = 50, 20
)

// textList is one list of texts about hosts: from the records of a log, by the address in one field, the text in
// others.
type textList struct {
	log, by string
	// address is the field with the host's address; texts are the fields of the text, with of.
	address string
	texts   []string
	of      func(texts []string) string
	into    func(m *hunt.HostLogs, text string) *[]hunt.LogText
	// reverse says that the field has the host's reverse DNS name; talk, that the log is a large one.
	reverse, talk bool
}

func nameList(m *hunt.HostLogs, _ string) *[]hunt.LogText { return &m.Names }
func userList(m *hunt.HostLogs, _ string) *[]hunt.LogText { return &m.Users }

// textLists are the lists that are looked up.
func textLists() []textList {
	mac := func(m *hunt.HostLogs, _ string) *[]hunt.LogText { return &m.MACs }
	return []textList{
		{log: "dhcp", by: hunt.ByDHCP, address: "dhcp.assigned_ip", texts: []string{"host.hostname"}, into: nameList},
		{log: "dhcp", by: hunt.ByDHCP, address: "client.address", texts: []string{"host.hostname"}, into: nameList},
		{log: "dhcp", by: hunt.ByDHCP, address: "dhcp.assigned_ip", texts: []string{"host.mac"}, into: mac},
		{log: "dhcp", by: hunt.ByDHCP, address: "client.address", texts: []string{"host.mac"}, into: mac},
		{log: "kerberos", by: hunt.ByKerberos, address: fieldSource, texts: []string{"kerberos.client"},
			into: func(m *hunt.HostLogs, text string) *[]hunt.LogText {
				if _, machine := hunt.KerberosClient(text); machine {
					return &m.Names
				}
				return &m.Users
			},
			of: func(t []string) string { name, _ := hunt.KerberosClient(t[0]); return name }},
		{log: "ntlm", by: hunt.ByNTLM, address: fieldSource, texts: []string{"host.name"}, into: nameList},
		{log: "ntlm", by: hunt.ByNTLM, address: fieldSource, texts: []string{"user.name"}, into: userList},
		{log: "ntlm", by: hunt.ByNTLM, address: fieldDest, texts: []string{"ntlm.server.dns.name"}, into: nameList},
		{log: "software", address: fieldSource, texts: []string{"software.name", "software.version.unparsed", "software.type"},
			into: func(m *hunt.HostLogs, _ string) *[]hunt.LogText { return &m.Software },
			of:   func(t []string) string { return hunt.SoftwareText(t[0], t[1]) }},
		{log: "http", by: "http", address: fieldSource, texts: []string{securityonion.FieldUserAgent}, talk: true,
			into: func(m *hunt.HostLogs, _ string) *[]hunt.LogText { return &m.Agents }},
		{log: "dns", by: hunt.ByDNS, address: securityonion.FieldAnswers, texts: []string{securityonion.FieldQuery}, into: nameList, talk: true},
		{log: "dns", by: hunt.ByDNS, address: securityonion.FieldQuery, texts: []string{securityonion.FieldAnswers}, into: nameList, talk: true, reverse: true},
	}
}

// Hosts is [hunt.Session.Hosts]: one search for many hosts, and one for their alerts, as many at once as the reading
// sends.
func (s *Source) Hosts(ctx context.Context, req hunt.Request, addrs []netip.Addr, talk bool) (map[netip.Addr]*hunt.HostLogs, hunt.Remarks, error) {
	out, remarks := map[netip.Addr]*hunt.HostLogs{}, hunt.Remarks{}
	if len(addrs) == 0 {
		return out, remarks, nil
	}
	index, notes, err := s.indices(ctx)
	remarks.Notes = notes
	if err != nil {
		return nil, remarks, err
	}
	lists := slices.DeleteFunc(textLists(), func(l textList) bool { return l.talk && !talk })
	readable, denied, err := s.alertIndices(ctx, index)
	if err != nil {
		return nil, remarks, err
	}
	for _, a := range addrs {
		out[a] = &hunt.HostLogs{AlertCount: hunt.Absent}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.opt.Concurrency)
	var missing []string
	g.Go(func() (err error) {
		if missing, err = s.missingLogs(ctx, index, req, lists); err != nil {
			err = fmt.Errorf("look for the logs of hosts: %w", err)
		}
		return err
	})
	for batch := range slices.Chunk(addrs, hostBatch) { // each has its own hosts
		g.Go(func() error {
			if err := s.hosts(ctx, index, req, batch, lists, out); err != nil {
				return fmt.Errorf("look up %d hosts: %w", len(batch), err)
			}
			return nil
		})
		if len(readable) > 0 {
			g.Go(func() error {
				if err := s.alerts(ctx, readable, req, batch, out); err != nil {
					return fmt.Errorf("look up the alerts of %d hosts: %w", len(batch), err)
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, remarks, err
	}
	maps.DeleteFunc(out, func(_ netip.Addr, m *hunt.HostLogs) bool { return m.Unknown() })
	if note, ok := hunt.NoHostLogs(missing, "see whether these logs of Zeek arrive"); ok {
		remarks.Notes = append(remarks.Notes, note)
	}
	// dwell's own key reads no alerts by default. A hunt does not report that each time; dwell host does.
	if len(denied) > 0 && (talk || len(readable) > 0) {
		remarks.Notes = append(remarks.Notes, hunt.Note{What: "cannot read alerts in " + strings.Join(denied, ", ") + ", so they are not counted",
			Hint: "to have them, make the key with `dwell install --create-key FILE --with-alerts`"})
	}
	return out, remarks, nil
}

// missingLogs are the lists' logs without a record in the window.
func (s *Source) missingLogs(ctx context.Context, index []string, req hunt.Request, lists []textList) ([]string, error) {
	var logs, datasets []string
	for _, l := range lists {
		if !slices.Contains(logs, l.log) {
			logs, datasets = append(logs, l.log), append(datasets, securityonion.Dataset(l.log))
		}
	}
	req.From = hunt.NamesFrom(req)
	f := &facts{source: s, index: index, req: req}
	var a struct {
		D terms `json:"d"`
	}
	err := f.search(ctx, "count the records of logs of hosts", []any{dsl.Terms(fieldDataset, datasets)}, object{"d": termsOf(fieldDataset, len(datasets), nil)}, &a)
	return slices.DeleteFunc(logs, func(log string) bool {
		return slices.ContainsFunc(a.D.Buckets, func(b termsBucket) bool { return b.Key == securityonion.Dataset(log) })
	}), err
}

// hosts searches for one batch.
func (s *Source) hosts(ctx context.Context, index []string, req hunt.Request, addrs []netip.Addr, lists []textList, out map[netip.Addr]*hunt.HostLogs) error {
	values, pointers, of := make([]string, len(addrs)), make([]string, len(addrs)), map[string]netip.Addr{}
	for i, a := range addrs {
		values[i], pointers[i] = a.String(), hunt.ReverseName(a)
		of[values[i]], of[pointers[i]] = a, a
	}
	aggs := object{}
	var either []any
	for i, l := range lists {
		wanted := values
		if l.reverse {
			wanted = pointers
		}
		filter := []any{dsl.Term(fieldDataset, securityonion.Dataset(l.log)), dsl.Terms(l.address, wanted)}
		either = append(either, dsl.All(filter...))
		by := dsl.Values(l.address, len(addrs), nested(l.texts, hostTexts, nil))
		if l.address != fieldSource && l.address != fieldDest {
			by = dsl.ValuesOf(l.address, wanted, nested(l.texts, hostTexts, nil)) // lists have other values, too
		}
		aggs[fmt.Sprint(i)] = dsl.Under(dsl.All(filter...), object{"by": by})
	}
	q := dsl.Search{Op: "look up hosts", Index: index, Aggs: aggs,
		Query: dsl.All(between(hunt.NamesFrom(req).UnixMilli(), req.To.UnixMilli()), dsl.Any(either...))}
	var answer map[string]struct {
		By struct {
			Buckets []struct {
				Key string `json:"key"`
				level
			} `json:"buckets"`
		} `json:"by"`
	}
	if err := q.Aggregations(ctx, s.client, &answer); err != nil {
		return err
	}
	for i, l := range lists {
		for _, b := range answer[fmt.Sprint(i)].By.Buckets {
			a, ok := of[b.Key]
			if !ok {
				continue
			}
			m := out[a]
			b.walk(nil, func(keys []string, last *combined) { l.add(m, keys, last.Count) })
		}
	}
	for _, a := range addrs {
		m := out[a]
		for _, list := range []*[]hunt.LogText{&m.Names, &m.MACs, &m.Users, &m.Agents, &m.Software} {
			*list = hunt.SortLogTexts(*list)
		}
	}
	return nil
}

// add adds a text to its list, or to its count there.
func (l *textList) add(m *hunt.HostLogs, raw []string, count int64) {
	text, by := raw[0], l.by
	list := l.into(m, raw[0])
	if l.of != nil {
		text = l.of(raw)
	}
	if by == "" {
		by = raw[len(raw)-1]
	}
	if text == "" {
		return
	}
	if i := slices.IndexFunc(*list, func(s hunt.LogText) bool { return s.Text == text && s.By == by }); i >= 0 {
		(*list)[i].Count += count
		return
	}
	*list = append(*list, hunt.LogText{Text: text, By: by, Count: count})
}

// nested counts the combinations of several fields' values: terms within terms, since composite pages may not be below
// another aggregation. size bounds the first field; the others have few values.
func nested(fields []string, size int, last object) object {
	if len(fields) > 1 {
		last = nested(fields[1:], hostTexts, last)
	}
	return object{"next": dsl.Values(fields[0], size, last)}
}

// level is one field of nested, combined one value of it.
type level struct {
	Next struct {
		Buckets []combined `json:"buckets"`
	} `json:"next"`
}

type combined struct {
	Key any `json:"key"`
	spanned
	level
}

// walk visits each combination of values.
func (l *level) walk(keys []string, visit func(keys []string, last *combined)) {
	for i := range l.Next.Buckets {
		b := &l.Next.Buckets[i]
		with := append(slices.Clone(keys), fmt.Sprint(b.Key))
		if len(b.Next.Buckets) == 0 {
			visit(with, b)
		}
		b.walk(with, visit)
	}
}

// alertIndices are where Security Onion keeps alerts: the readable ones, on the whole grid if the connections are read
// from all of it, and the others. A search over several would silently leave those out.
func (s *Source) alertIndices(ctx context.Context, connections []string) (readable, denied []string, err error) {
	kept := []string{"logs-suricata.alerts-so", "logs-suricata-so", "logs-detections.alerts-so"}
	grid := slices.ContainsFunc(connections, func(n string) bool { return strings.HasPrefix(n, "*:") })
	ask := dsl.Encode(object{"index": []any{object{"names": kept, "privileges": []string{"read"}}}})
	var answer struct {
		Index map[string]map[string]bool `json:"index"`
	}
	err = s.client.Do(ctx, es.Call{Op: "ask for privileges", Request: esapi.SecurityHasPrivilegesRequest{Body: bytes.NewReader(ask)}, Decode: es.JSON(&answer, "index")})
	open := es.Is(err, es.NotFound, es.Fatal) // a cluster without security
	if err != nil && !open {
		return nil, nil, fmt.Errorf("ask which alerts may be read: %w", err)
	}
	for _, name := range kept {
		switch {
		case !open && !answer.Index[name]["read"]:
			denied = append(denied, name)
		case grid:
			readable = append(readable, "*:"+name)
		default:
			readable = append(readable, name)
		}
	}
	return readable, denied, nil
}

// alerts counts the alerts that name the hosts on either side. A missing index has none.
func (s *Source) alerts(ctx context.Context, index []string, req hunt.Request, addrs []netip.Addr, out map[netip.Addr]*hunt.HostLogs) error {
	for _, a := range addrs {
		out[a].AlertCount = 0
	}
	aggs := object{}
	for i, a := range addrs {
		aggs[fmt.Sprint(i)] = dsl.Under(dsl.Any(dsl.Term(fieldSource, a.String()), dsl.Term(fieldDest, a.String())), nested([]string{"rule.name", "event.module"}, hostTexts, nil))
	}
	q := dsl.Search{Op: "look up alerts", Index: index, Aggs: aggs, Query: dsl.All(during(req), dsl.Term("tags", "alert"))}
	var answer map[string]struct {
		Count int64 `json:"doc_count"`
		level
	}
	if err := q.Aggregations(ctx, s.client, &answer); err != nil {
		return err
	}
	for i, a := range addrs {
		found := answer[fmt.Sprint(i)]
		if found.Count == 0 {
			continue
		}
		m := out[a]
		m.AlertCount = found.Count
		found.walk(nil, func(keys []string, last *combined) {
			m.Alerts = append(m.Alerts, hunt.LogText{Text: keys[0], By: keys[len(keys)-1], Count: last.Count})
		})
		m.Alerts = hunt.SortLogTexts(m.Alerts)
	}
	return nil
}

// Contacts is [hunt.Session.Contacts] in one search.
func (s *Source) Contacts(ctx context.Context, req hunt.Request, addr netip.Addr, outside []netip.Addr) (hunt.Contacts, hunt.Remarks, error) {
	c := hunt.Contacts{Neighbors: map[netip.Addr][]netip.Addr{}, ExternalFirst: map[netip.Addr]int64{}}
	index, notes, err := s.indices(ctx)
	if err != nil {
		return c, hunt.Remarks{Notes: notes}, err
	}
	span := object{"first": dsl.Min(fieldTime), "last": dsl.Max(fieldTime)}
	from, to := dsl.Term(fieldSource, addr), dsl.Term(fieldDest, addr)
	either := dsl.Any(from, to)
	aggs := object{
		"own": dsl.Under(either, span),
		"inside": dsl.Under(dsl.All(from, inside(&req.Scope, fieldDest), dsl.Not(to)),
			nested([]string{fieldDest, fieldDstPort, fieldTransport}, hunt.MaxInternal, span)),
	}
	for i, o := range outside {
		aggs[fmt.Sprint(i)] = dsl.Under(dsl.Term(fieldDest, o), object{
			"own": dsl.Under(from, span),
			"others": dsl.Under(dsl.All(inside(&req.Scope, fieldSource), dsl.Not(from)),
				object{"from": dsl.Values(fieldSource, hunt.MaxNeighbors, nil)})})
	}
	which := []any{either}
	if len(outside) > 0 {
		which = append(which, dsl.Terms(fieldDest, outside))
	}
	q := dsl.Search{Op: "look up contacts", Index: index, Aggs: aggs, Query: dsl.All(during(req), only(datasetConn), dsl.Any(which...))}
	var answer map[string]json.RawMessage
	if err = q.Aggregations(ctx, s.client, &answer); err == nil && answer != nil {
		err = readContacts(answer, outside, &c)
	}
	c.Settle()
	return c, hunt.Remarks{Notes: notes}, err
}

// spanned is a bucket with its first and last time.
type spanned struct {
	Count int64 `json:"doc_count"`
	First struct {
		Value float64 `json:"value"`
	} `json:"first"`
	Last struct {
		Value float64 `json:"value"`
	} `json:"last"`
}

func readContacts(all map[string]json.RawMessage, outside []netip.Addr, c *hunt.Contacts) error {
	var own spanned
	var inside struct {
		Count int64 `json:"doc_count"`
		level
	}
	if err := errors.Join(json.Unmarshal(all["own"], &own), json.Unmarshal(all["inside"], &inside)); err != nil {
		return err
	}
	c.Connections, c.InternalConnections = own.Count, inside.Count
	if own.Count > 0 {
		c.First, c.Last = int64(own.First.Value), int64(own.Last.Value)
	}
	inside.walk(nil, func(keys []string, b *combined) {
		ip, err := netip.ParseAddr(keys[0])
		if err != nil || len(keys) != 3 {
			return // it has no port or transport to name
		}
		port, _ := strconv.ParseFloat(keys[1], 64)
		c.Internal = append(c.Internal, hunt.InternalDestination{IP: ip.Unmap(), Port: uint16(port), Proto: hunt.ParseTransport(keys[2]),
			Connections: b.Count, First: int64(b.First.Value), Last: int64(b.Last.Value)})
	})
	for i, o := range outside {
		var at struct {
			Own    spanned `json:"own"`
			Others struct {
				From struct {
					Buckets []struct {
						Key netip.Addr `json:"key"`
					} `json:"buckets"`
				} `json:"from"`
			} `json:"others"`
		}
		if err := json.Unmarshal(all[fmt.Sprint(i)], &at); err != nil {
			return err
		}
		if at.Own.Count > 0 {
			c.ExternalFirst[o] = int64(at.Own.First.Value)
		}
		for _, b := range at.Others.From.Buckets {
			c.Neighbors[o] = append(c.Neighbors[o], b.Key.Unmap())
		}
	}
	return nil
}
