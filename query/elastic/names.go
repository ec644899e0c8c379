package elastic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
	zeeklog "dwell/query/zeek/log"
)

// The fields with names.
const (
	fieldServerName = securityonion.FieldServerName
	fieldQUICName   = securityonion.FieldQUICName
	fieldSOCKSName  = securityonion.FieldSOCKSName
	fieldSOCKSHost  = securityonion.FieldSOCKSHost
	fieldSOCKSPort  = securityonion.FieldSOCKSPort
	fieldHost       = securityonion.FieldHost
	fieldURI        = securityonion.FieldURI
	fieldMethod     = "http.method"
	fieldQuery      = securityonion.FieldQuery
	fieldQueryType  = securityonion.FieldQueryType
	datasetTLS      = "zeek.ssl"
	datasetHTTP     = "zeek.http"
	datasetDNS      = "zeek.dns"
	datasetQUIC     = "zeek.quic"
	datasetSOCKS    = "zeek.socks"
)

// ReadNames is [hunt.Session.Names], from zeek.ssl, zeek.quic, zeek.http and zeek.socks documents, by slices and pages
// like Read's: one reading for names of servers, one for what proxies were asked for; where every record counts, of
// RITA's logs alone. It reads no bytes and no UID. Read reports oddities of the cluster, its clock and its indices.
func (s *Source) ReadNames(ctx context.Context, req hunt.Request, emit func([]hunt.NameRecord) error) (hunt.Reading, error) {
	servers, asked, messages := uses("TLS and HTTP records", req.EveryRecord), uses("requests to proxies", req.EveryRecord), uses("messages", req.EveryRecord)
	out, err := s.readLogs(ctx, req,
		hunt.Note{What: "there is no zeek.ssl or zeek.http record in the window, so pairs are by address alone",
			Hint: "see whether Zeek's ssl and http logs arrive, to have servers followed by their names", Logs: []string{"ssl", "http"}},
		log{many: "TLS and HTTP records", query: namesQuery(req.Scope, !req.EveryRecord), rows: servers.rows(serverName(), emit)},
		log{many: "requests to proxies", query: connectQuery(req.Scope, !req.EveryRecord), rows: asked.rows(proxied(), emit)})
	servers.tell(&out)
	asked.tell(&out)
	if err != nil || req.EveryRecord {
		return out, err
	}
	more, err := s.readLogs(ctx, req, hunt.Note{}, log{many: "messages in persistent connections", query: messagesQuery(req.Scope), rows: messages.rows(message(), emit)})
	messages.tell(&more)
	out.Records, out.Connections = out.Records+more.Records, out.Connections+more.Connections
	out.Slices, out.Notes, out.Gaps = append(out.Slices, more.Slices...), append(out.Notes, more.Notes...), append(out.Gaps, more.Gaps...)
	return out, err
}

// ReadDNS is [hunt.Session.DNS], from zeek.dns documents, each query with its time. Answers stay empty:
// dns.answers.name is a list, and a composite aggregation would count a document once for each answer.
func (s *Source) ReadDNS(ctx context.Context, req hunt.Request, emit func([]hunt.DNSRecord) error) (hunt.Reading, error) {
	first := queries(req.EveryRecord)
	out, err := s.readLogs(ctx, req,
		hunt.Note{What: "there is no zeek.dns record in the window, so DNS tunnels cannot be found", Hint: "see whether Zeek's dns log arrives", Logs: []string{"dns"}},
		log{many: "DNS queries", query: dnsQuery(req.Scope), rows: first.rows(dnsRecord(), emit)})
	first.tell(&out)
	return out, err
}

// readLogs reads logs one after another over the request's span, which has both ends. If the span has no record of
// their datasets, in scope or not, it reports nothing.
func (s *Source) readLogs(ctx context.Context, req hunt.Request, nothing hunt.Note, logs ...log) (hunt.Reading, error) {
	window, err := hunt.NewWindow(req.From, req.To)
	if err != nil {
		return hunt.Reading{}, err
	}
	p, err := s.place(ctx)
	if err != nil {
		return hunt.Reading{Window: window}, err
	}
	req.Progress = nil // it counts connections
	out := hunt.Reading{Window: window, Source: strings.Join(p.asked, ",")}
	found := false
	var r *reading
	for _, l := range logs {
		l.window, l.from, l.to, l.reported = window, window.Start.UnixMilli(), window.End.UnixMilli(), true
		r = newReading(s, p, l, req)
		some, err := r.all(ctx)
		if e := new(es.Error); errors.As(err, &e) && costsItself(err) {
			r.gaps = append(r.gaps, hunt.Note{What: l.many + " could not be read: " + e.Reason, Where: e.Index, Hint: e.Hint})
			some, err = true, nil
		}
		got := r.result()
		out.Records, out.Connections = out.Records+got.Records, out.Connections+got.Connections
		out.Slices = append(out.Slices, got.Slices...)
		out.Notes, out.Gaps = append(out.Notes, got.Notes...), append(out.Gaps, got.Gaps...)
		if err != nil {
			return out, fmt.Errorf("%s: %w", l.many, err)
		}
		found = found || some
	}
	if found || nothing.What == "" {
		return out, nil
	}
	n, err := r.count(ctx, dsl.All(between(r.from, r.to), dsl.Terms(fieldDataset, datasets(logs))))
	if passes(err) {
		out.Gaps, err = append(out.Gaps, hunt.Note{What: fmt.Sprintf("whether there are %s is not known: %v", strings.Join(datasets(logs), ", "), err), Where: out.Source}), nil
	} else if n == 0 && err == nil {
		nothing.Where = out.Source
		out.Notes = append(out.Notes, nothing)
	}
	return out, err
}

// datasets are those of all logs.
func datasets(logs []log) []string {
	var out []string
	for _, l := range logs {
		out = append(out, l.query.datasets...)
	}
	return out
}

// isAsked matches requests of internal clients to a proxy: CONNECT, in any spelling, and with all also those with a
// whole URI and those by SOCKS.
func isAsked(scope hunt.Scope, all bool) object {
	by := []any{dsl.All(only(datasetHTTP), anyCase(fieldMethod, "CONNECT"))}
	if all {
		for _, scheme := range []string{"http://", "https://", "ftp://"} {
			by = append(by, dsl.All(only(datasetHTTP), object{"prefix": object{fieldURI: object{"value": scheme, "case_insensitive": true}}}))
		}
		by = append(by, dsl.All(only(datasetSOCKS), dsl.Exists(fieldSOCKSName)),
			dsl.All(only(datasetSOCKS), dsl.Exists(fieldSOCKSHost)))
	}
	return dsl.All(dsl.Terms(fieldSource, insiders(&scope)), dsl.Any(by...))
}

// flowSources are where and when a name was used.
func flowSources() []source {
	return []source{{"t", fieldTime, false}, {"s", fieldSource, false}, {"p", fieldSrcPort, true}, {"d", fieldDest, false}, {"q", fieldDstPort, true}}
}

// noPrints is what a hunt lacks where a fingerprint cannot be aggregated.
const noPrints = "so programs are not followed by this fingerprint; names are"

// namesQuery searches for TLS and HTTP records in scope that are no request to a proxy, with all also for QUIC's.
func namesQuery(scope hunt.Scope, all bool) query {
	q := scoped(scope)
	q.datasets = []string{datasetTLS, datasetHTTP}
	q.sources = append(flowSources(), depthSource(), source{"k", fieldDataset, false}, source{"h", fieldServerName, true}, source{"v", fieldHost, true},
		source{"4", fieldJA4, true}, source{"3", fieldJA3, true})
	q.spare = map[string]string{fieldJA4: noPrints, fieldJA3: noPrints}
	if all {
		q.datasets, q.sources = append(q.datasets, datasetQUIC), append(q.sources, source{"w", fieldQUICName, true})
		q.spare[fieldQUICName] = "so servers are not followed by the names of QUIC"
	}
	q.filter = append(q.filter, dsl.Terms(fieldDataset, q.datasets))
	q.mustNot = append(q.mustNot, isAsked(scope, all))
	return q
}

// connectQuery searches for what internal clients asked of proxies, whatever the proxy's address.
func connectQuery(scope hunt.Scope, all bool) query {
	q := query{
		datasets: []string{datasetHTTP},
		filter:   []any{isAsked(scope, all), dsl.Exists(fieldDest)},
		mustNot:  []any{},
		sources:  append(flowSources(), depthSource(), source{"u", fieldURI, true}, source{"v", fieldHost, true}, source{"m", fieldMethod, true}),
	}
	if all {
		const no = "so what SOCKS proxies were asked for is not known"
		q.datasets = append(q.datasets, datasetSOCKS)
		q.sources = append(q.sources, source{"n", fieldSOCKSName, true}, source{"h", fieldSOCKSHost, true}, source{"o", fieldSOCKSPort, true})
		q.spare = map[string]string{fieldSOCKSName: no, fieldSOCKSHost: no, fieldSOCKSPort: no}
	}
	return q
}

// dnsQuery searches for what internal clients queried, whatever the resolver's address.
func dnsQuery(scope hunt.Scope) query {
	return query{
		datasets: []string{datasetDNS},
		filter: []any{dsl.Term(fieldDataset, datasetDNS), dsl.Terms(fieldSource, insiders(&scope)),
			dsl.Exists(fieldDest), dsl.Exists(fieldQuery)},
		mustNot: []any{dsl.Term(fieldQuery, "")},
		sources: []source{{"t", fieldTime, false}, {"s", fieldSource, false}, {"p", fieldSrcPort, true}, {"d", fieldDest, false}, {"n", fieldQuery, false},
			{"y", fieldQueryType, true}},
	}
}

// messagesQuery searches for the records in scope of logs that may have many for one connection.
func messagesQuery(scope hunt.Scope) query {
	q := scoped(scope)
	for _, k := range zeeklog.Messages() {
		q.datasets = append(q.datasets, "zeek."+string(k))
	}
	q.sources = append(flowSources(), sensorSource())
	q.filter = append(q.filter, dsl.Terms(fieldDataset, q.datasets))
	return q
}

// message makes a record of a bucket of messagesQuery.
func message() row[hunt.NameRecord] {
	return row[hunt.NameRecord]{
		key: func(p *cells, n *hunt.NameRecord) bool {
			n.Kind = hunt.Message
			return p.flow(n, func(byte) { p.scan.Skip() })
		},
		count: func(n *hunt.NameRecord, count int64) { n.Count = count },
	}
}

// serverName makes a record of a bucket of namesQuery.
func serverName() row[hunt.NameRecord] {
	return row[hunt.NameRecord]{
		key: func(p *cells, n *hunt.NameRecord) bool {
			dataset := false
			var ja4, ja3 string
			whole := p.flow(n, func(letter byte) {
				switch letter {
				case 'k':
					dataset = true
					if string(p.scan.Text()) == datasetHTTP {
						n.Kind = hunt.HTTP
					}
				case 'h', 'v', 'w': // a TLS record has no host, an HTTP record no server name
					n.Name = p.host(p.scan.Text())
				case '4':
					ja4 = p.text(p.scan.Text())
				case '3':
					ja3 = p.text(p.scan.Text())
				default:
					p.scan.Skip()
				}
			})
			if n.Kind == hunt.TLS {
				n.Fingerprint = hunt.FingerprintOf(ja4, ja3, n.Name)
			}
			return whole && dataset
		},
		count: func(n *hunt.NameRecord, count int64) { n.Count = count },
	}
}

// proxied makes a record of a bucket of connectQuery.
func proxied() row[hunt.NameRecord] {
	return row[hunt.NameRecord]{
		key: func(p *cells, n *hunt.NameRecord) bool {
			n.Kind = hunt.Connect
			var method, uri, host, name, address string
			var port uint16
			whole := p.flow(n, func(letter byte) {
				switch letter {
				case 'u':
					uri = p.text(p.scan.Text())
				case 'v':
					host = p.text(p.scan.Text())
				case 'm':
					method = p.text(p.scan.Text())
				case 'n':
					name = p.text(p.scan.Text())
				case 'h':
					address = p.text(p.scan.Text())
				case 'o':
					port = p.port('o')
				default:
					p.scan.Skip()
				}
			})
			if name = cmp.Or(name, address); name != "" { // SOCKS
				n.Name, n.Port = hunt.HostName(name), port
			} else {
				n.Name, n.Port, _ = hunt.ProxyTarget(method, uri, host, true)
			}
			return whole
		},
		count: func(n *hunt.NameRecord, count int64) { n.Count = count },
	}
}

// flow reads a bucket's key that begins like flowSources and passes other values to other.
func (p *cells) flow(n *hunt.NameRecord, other func(letter byte)) bool {
	s := &p.scan
	timed := false
	p.letters(func(letter byte) {
		switch letter {
		case 't':
			n.Start, timed = s.Int(), true
		case 's':
			n.Src = p.addr(s.Text())
		case 'p':
			n.SrcPort = p.port('p')
		case 'd':
			n.Dst = p.addr(s.Text())
		case 'q':
			n.DstPort = p.port('q')
		default:
			other(letter)
		}
	})
	return timed && n.Src.IsValid() && n.Dst.IsValid()
}

// dnsRecord makes a record of a bucket of dnsQuery.
func dnsRecord() row[hunt.DNSRecord] {
	return row[hunt.DNSRecord]{
		key: func(p *cells, d *hunt.DNSRecord) bool {
			s := &p.scan
			named := false
			p.letters(func(letter byte) {
				switch letter {
				case 't':
					d.Start = s.Int()
				case 's':
					d.Client = p.addr(s.Text())
				case 'd':
					d.Resolver = p.addr(s.Text())
				case 'n':
					d.Query, named = p.host(s.Text()), true
				case 'p':
					p.within = int64(p.port('p'))
				case 'y':
					d.Type = p.text(s.Text())
				default:
					s.Skip()
				}
			})
			return named && d.Client.IsValid() && d.Resolver.IsValid()
		},
		count: func(d *hunt.DNSRecord, count int64) { d.Count = count },
	}
}

// letters goes through a bucket's key; value must consume the value, and is not called for null.
func (p *cells) letters(value func(letter byte)) {
	s := &p.scan
	s.Object()
	for k, ok := s.Key(); ok; k, ok = s.Key() {
		switch {
		case s.Null():
		case len(k) != 1:
			s.Skip()
		case k[0] == letterWithin:
			p.within = s.Int()
		case k[0] == letterSensor:
			p.sensor = p.text(s.Text())
		default:
			value(k[0])
		}
	}
}

// host returns a host in one form; each text is converted once.
func (p *cells) host(b []byte) string {
	if s, ok := p.hosts[string(b)]; ok {
		return s
	}
	if len(p.hosts) >= maxInterned {
		clear(p.hosts)
	}
	raw := string(b)
	s := strings.Clone(hunt.HostName(raw))
	p.hosts[raw] = s
	return s
}
