package zeek

import (
	"context"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// nameKinds are the logs that name the destination.
var nameKinds = []log.Kind{log.SSLLog, log.OpenSSL, log.QUIC, log.HTTPLog, log.OpenHTTP, log.SOCKS}

// ReadNames is [hunt.Session.Names], from ssl, quic, http and socks logs. It begins a little before the window, since a
// record may belong to a connection that began earlier.
func (s *Source) ReadNames(ctx context.Context, req hunt.Request, emit func([]hunt.NameRecord) error) (hunt.Reading, error) {
	w, noted := s.noting(req)
	shown := newShown(s.maxSpreads)
	kinds := nameKinds
	if req.EveryRecord {
		kinds = []log.Kind{log.SSLLog, log.OpenSSL, log.HTTPLog, log.OpenHTTP} // those that RITA reads
	}
	q := query{kinds: kinds, from: req.From, to: req.To, every: req.EveryRecord, fields: flowFields(log.ServerName, log.JA3, log.JA4, log.Method, log.Host, log.URI,
		log.UserAgent, log.RequestHost, log.RequestName, log.RequestPort)}
	suspects := &hunt.Suspects{}
	if noted {
		q.fields = append(q.fields, suspectFields...)
	}
	out, err := s.records(ctx, q, func() recordTaker {
		b, own, texts := newBatches(emit), shown.showing(), words{}
		take := func(r *log.Record) error {
			n, ok := named(r, texts, &req)
			if noted && w.Contains(r.Start) && req.Scope.IsInternal(n.Src) {
				if r.Kind.Closed() == log.HTTPLog {
					own.agent(r.Text(log.UserAgent), n.Src, n.Dst)
				} else {
					own.tls(r.Text(log.JA3), r.Text(log.JA4), n.Src, n.Dst)
				}
			}
			if !ok {
				return nil
			}
			if noted && n.Kind != hunt.Connect && w.Contains(r.Start) {
				note(suspects, r, hunt.Suspect{Src: n.Src, Dst: n.Dst, Port: n.DstPort})
			}
			return b.add(n)
		}
		return recordTaker{take: take, flush: func() error { own.flush(); return b.flush() }}
	})
	if err != nil {
		return hunt.Reading{}, err
	}
	if noted {
		s.note(w, func(x *seen) { x.shown, x.suspects = shown, suspects })
	}
	if out.files == 0 {
		out.Note(hunt.Note{What: "there is no ssl or http log, so pairs are by address alone",
			Hint: "give the directory with all of Zeek's logs to have servers followed by their names", Logs: []string{"ssl", "http"}})
	}
	if !req.EveryRecord {
		if err := s.messages(ctx, req, emit, &out.Report); err != nil {
			return hunt.Reading{}, err
		}
	}
	return out.reading(), nil
}

// messages hands on the records of logs that may hold many of one connection.
func (s *Source) messages(ctx context.Context, req hunt.Request, emit func([]hunt.NameRecord) error, report *log.Report) error {
	out, err := s.records(ctx, query{kinds: log.Messages(), from: req.From, to: req.To, fields: flowFields()}, func() recordTaker {
		b := newBatches(emit)
		return recordTaker{flush: b.flush, take: func(r *log.Record) error {
			f := flowOf(r)
			if !req.Scope.Keep(f.src, f.dst) {
				return nil
			}
			return b.add(hunt.NameRecord{Start: r.Start, Src: f.src, Dst: f.dst, SrcPort: f.srcPort, DstPort: f.dstPort, Count: 1, UID: r.UID, Kind: hunt.Message})
		}}
	})
	report.Notes, report.Gaps = append(report.Notes, out.Notes...), append(report.Gaps, out.Gaps...)
	return err
}

// named is a record's use of a name; ok says that it is in scope. What a proxy was asked for is in scope whatever the
// proxy's address.
func named(r *log.Record, texts words, req *hunt.Request) (n hunt.NameRecord, ok bool) {
	scope := &req.Scope
	f := flowOf(r)
	n = hunt.NameRecord{Start: r.Start, Src: f.src, Dst: f.dst, SrcPort: f.srcPort, DstPort: f.dstPort, Count: 1, UID: r.UID}
	n.Aside = r.Kind.Closed() == log.QUIC || r.Kind.Closed() == log.SOCKS
	if host, port, asked := asked(r, req.EveryRecord); asked {
		n.Kind, n.Name, n.Port = hunt.Connect, texts.keep([]byte(host)), port
		return n, scope.IsInternal(f.src)
	}
	if !scope.Keep(f.src, f.dst) { // before any text is kept: what is out of scope may be anyone's
		return n, false
	}
	switch r.Kind.Closed() {
	case log.HTTPLog:
		n.Kind, n.Name = hunt.HTTP, texts.host(r.Text(log.Host))
	case log.SSLLog, log.QUIC:
		n.Kind, n.Name = hunt.TLS, texts.host(r.Text(log.ServerName))
		n.Fingerprint = hunt.FingerprintOf(texts.keep(r.Text(log.JA4)), texts.keep(r.Text(log.JA3)), n.Name)
	default:
		return n, false
	}
	return n, true
}

// asked is the host and port that a proxy was asked for, by CONNECT, by a request with the whole URI, or by SOCKS. With
// connect only the first counts, as for RITA.
func asked(r *log.Record, connect bool) (host string, port uint16, ok bool) {
	switch r.Kind.Closed() {
	case log.SOCKS:
		name := r.Text(log.RequestName)
		if len(name) == 0 {
			name = r.Text(log.RequestHost)
		}
		return hunt.HostName(string(name)), r.Port(log.RequestPort), len(name) > 0
	case log.HTTPLog:
		return hunt.ProxyTarget(string(r.Text(log.Method)), string(r.Text(log.URI)), string(r.Text(log.Host)), !connect)
	}
	return "", 0, false
}

// host is hunt.HostName, computed once for each text.
func (w words) host(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	b = b[:min(len(b), maxText)]
	if name, ok := w[string(b)]; ok {
		return name
	}
	if len(w) >= maxWords {
		clear(w)
	}
	text := string(b)
	w[text] = hunt.HostName(text)
	return w[text]
}

// ReadDNS is [hunt.Session.DNS], from dns logs.
func (s *Source) ReadDNS(ctx context.Context, req hunt.Request, emit func([]hunt.DNSRecord) error) (hunt.Reading, error) {
	w, noted := s.noting(req)
	queried := newQueried(s.maxAnswers)
	q := query{kinds: []log.Kind{log.DNSLog}, from: req.From, to: req.To, every: req.EveryRecord,
		fields: flowFields(log.Query, log.QTypeName, log.Answers)}
	out, err := s.records(ctx, q, func() recordTaker {
		texts := words{}
		b := newBatches(func(batch []hunt.DNSRecord) error {
			if noted {
				queried.add(batch, w)
			}
			inside := batch[:0]
			for _, r := range batch {
				if req.Scope.IsInternal(r.Client) && r.Query != "" {
					inside = append(inside, r)
				}
			}
			return emit(inside)
		})
		take := func(r *log.Record) error {
			d := hunt.DNSRecord{Start: r.Start, Client: r.Addr(log.OrigH), Resolver: r.Addr(log.RespH), Query: texts.host(r.Text(log.Query)),
				Type: texts.keep(r.Text(log.QTypeName)), Count: 1}
			for a := range r.List(log.Answers) {
				d.Answers = append(d.Answers, string(a))
			}
			return b.add(d)
		}
		return recordTaker{take: take, flush: b.flush}
	})
	if err != nil {
		return hunt.Reading{}, err
	}
	if noted && !queried.overflows() {
		s.note(w, func(x *seen) { x.queried = queried })
	}
	if out.files == 0 {
		out.Note(hunt.Note{What: "there is no dns log, so DNS tunnels cannot be found",
			Hint: "give the directory with all of Zeek's logs", Logs: []string{"dns"}})
	}
	return out.reading(), nil
}
