package zeek

import (
	"context"
	"strings"

	"dwell/internal/hunt"
)

// ReadNames is [hunt.Session.Names] out of ssl and http logs. Records are taken from a little before the window
// on, since a request may be a later one on a connection of the window.
func (s *Source) ReadNames(ctx context.Context, req hunt.Request, emit func([]hunt.NameRecord) error) (hunt.Reading, error) {
	q := Query{Paths: s.opts.Paths, From: req.From, To: req.To, Workers: s.opts.Workers}
	w, noted := s.noting(req)
	shown := newShown(s.maxSpreads)
	tls, err := ReadSSL(ctx, q, func(batch []SSL) error {
		if noted {
			shown.addTLS(batch, w, &req.Scope)
		}
		out := make([]hunt.NameRecord, 0, len(batch))
		for i := range batch {
			r := &batch[i]
			if req.Scope.Keep(r.Src, r.Dst) {
				n := r.named(hunt.TLS, hunt.HostName(r.ServerName), hunt.Absent)
				n.Fingerprint = hunt.FingerprintOf(r.JA4, r.JA3, n.Name)
				out = append(out, n)
			}
		}
		return emit(out)
	})
	if err != nil {
		return hunt.Reading{}, err
	}
	http, err := ReadHTTP(ctx, q, func(batch []HTTP) error {
		if noted {
			shown.addHTTP(batch, w, &req.Scope)
		}
		out := make([]hunt.NameRecord, 0, len(batch))
		for i := range batch {
			r := &batch[i]
			switch {
			case isConnect(r) && req.Scope.IsInternal(r.Src):
				host, port := hunt.ConnectTarget(r.URI, r.Host)
				n := r.named(hunt.Connect, host, r.bytes())
				n.Port = port
				out = append(out, n)
			case req.Scope.Keep(r.Src, r.Dst):
				out = append(out, r.named(hunt.HTTP, hunt.HostName(r.Host), r.bytes()))
			}
		}
		return emit(out)
	})
	if err != nil {
		return hunt.Reading{}, err
	}
	if noted {
		s.note(w, func(x *seen) { x.shown = shown })
	}
	reading := tls.reading(http)
	if tls.Files+http.Files == 0 {
		reading.Notes = append(reading.Notes, hunt.Note{What: "there is no ssl or http log, so pairs are by address alone",
			Hint: "give the folder with all of Zeek's logs to have servers followed by their names", Logs: []string{"ssl", "http"}})
	}
	return reading, nil
}

// ReadDNS is [hunt.Session.DNS] out of dns logs.
func (s *Source) ReadDNS(ctx context.Context, req hunt.Request, emit func([]hunt.DNSRecord) error) (hunt.Reading, error) {
	q := Query{Paths: s.opts.Paths, From: req.From, To: req.To, Workers: s.opts.Workers}
	w, noted := s.noting(req)
	queried := newQueried(s.maxAnswers)
	dns, err := ReadDNS(ctx, q, func(batch []DNS) error {
		if noted {
			queried.add(batch, w)
		}
		out := make([]hunt.DNSRecord, 0, len(batch))
		for i := range batch {
			r := &batch[i]
			if req.Scope.IsInternal(r.Src) && r.Query != "" {
				out = append(out, hunt.DNSRecord{Start: r.Start, Client: r.Src, Resolver: r.Dst, Query: hunt.HostName(r.Query),
					Type: r.Type, Answers: r.Answers, Count: 1})
			}
		}
		return emit(out)
	})
	if err != nil {
		return hunt.Reading{}, err
	}
	if noted && !queried.overflows() {
		s.note(w, func(x *seen) { x.queried = queried })
	}
	reading := dns.reading(Outcome{})
	if dns.Files == 0 {
		reading.Notes = append(reading.Notes, hunt.Note{What: "there is no dns log, so DNS tunnels cannot be found",
			Hint: "give the folder with all of Zeek's logs", Logs: []string{"dns"}})
	}
	return reading, nil
}

// isConnect says that a request asks a proxy for a connection.
func isConnect(r *HTTP) bool { return strings.EqualFold(r.Method, "CONNECT") }

// reading adds two outcomes up.
func (o Outcome) reading(other Outcome) hunt.Reading {
	return hunt.Reading{Records: o.Records + other.Records, Connections: o.Taken + other.Taken,
		Notes: append(o.Notes, other.Notes...), Gaps: append(o.Gaps, other.Gaps...)}
}

func (f *Flow) named(kind hunt.NameKind, name string, bytes int64) hunt.NameRecord {
	return hunt.NameRecord{Start: f.Start, Src: f.Src, Dst: f.Dst, SrcPort: f.SrcPort, DstPort: f.DstPort, Kind: kind,
		Name: name, Bytes: bytes, Count: 1, UID: f.UID}
}

// bytes is the sum of both bodies, or Absent when neither was logged.
func (h *HTTP) bytes() int64 {
	if h.RequestBytes < 0 && h.ResponseBytes < 0 {
		return hunt.Absent
	}
	return max(h.RequestBytes, 0) + max(h.ResponseBytes, 0)
}
