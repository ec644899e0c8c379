package zeek

import (
	"context"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// ReadSignatures is [hunt.Session.Signatures], from ssl and http logs, requests to proxies included.
func (s *Source) ReadSignatures(ctx context.Context, req hunt.Request, emit func([]hunt.Signature) error) (hunt.Reading, error) {
	q := query{kinds: []log.Kind{log.SSLLog, log.OpenSSL, log.HTTPLog, log.OpenHTTP}, from: req.From, to: req.To, every: true,
		fields: flowFields(log.ServerName, log.JA3, log.Method, log.Host, log.URI, log.UserAgent)}
	out, err := s.records(ctx, q, func() recordTaker {
		b, texts := newBatches(emit), words{}
		take := func(r *log.Record) error {
			n, ok := named(r, texts, &req)
			text := texts.keep(r.Text(log.JA3))
			if n.Kind != hunt.TLS {
				text = texts.keep(r.Text(log.UserAgent))
			}
			if !ok || text == "" {
				return nil
			}
			return b.add(hunt.Signature{Src: n.Src, Dst: n.Dst, Name: n.Name, Text: text})
		}
		return recordTaker{take: take, flush: b.flush}
	})
	return out.reading(), err
}
