package zeek

import (
	"context"

	"dwell/internal/hunt"
)

// ReadSignatures is [hunt.Session.Signatures] out of ssl and http logs, those of requests to proxies included.
func (s *Source) ReadSignatures(ctx context.Context, req hunt.Request, emit func([]hunt.Signature) error) (hunt.Reading, error) {
	q := Query{Paths: s.opts.Paths, From: req.From, To: req.To, Workers: s.opts.Workers}
	tls, err := ReadSSL(ctx, q, func(batch []SSL) error {
		out := make([]hunt.Signature, 0, len(batch))
		for i := range batch {
			if r := &batch[i]; r.JA3 != "" && req.Scope.Keep(r.Src, r.Dst) {
				out = append(out, hunt.Signature{Src: r.Src, Dst: r.Dst, Name: hunt.HostName(r.ServerName), Text: r.JA3})
			}
		}
		return emit(out)
	})
	if err != nil {
		return hunt.Reading{}, err
	}
	http, err := ReadHTTP(ctx, q, func(batch []HTTP) error {
		out := make([]hunt.Signature, 0, len(batch))
		for i := range batch {
			r := &batch[i]
			name, proxied := hunt.HostName(r.Host), isConnect(r)
			if proxied {
				name, _ = hunt.ConnectTarget(r.URI, r.Host)
			}
			if r.UserAgent != "" && (proxied && req.Scope.IsInternal(r.Src) || req.Scope.Keep(r.Src, r.Dst)) {
				out = append(out, hunt.Signature{Src: r.Src, Dst: r.Dst, Name: name, Text: r.UserAgent})
			}
		}
		return emit(out)
	})
	return tls.reading(http), err
}
