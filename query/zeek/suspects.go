package zeek

import (
	"context"
	"strings"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// suspectFields, besides the names, identify a suspect among ssl and http records.
var suspectFields = []log.Field{log.Subject, log.Issuer, log.Validation, log.RespMIMEs}

// Suspects is [hunt.Session.Suspects], from intel and notice logs. Odd handshakes and requests were noted when names
// were read; otherwise, and where lists have fingerprints or certificates, it reads ssl and http logs for them.
func (s *Source) Suspects(ctx context.Context, req hunt.Request, listed []string) ([]hunt.Suspect, hunt.Remarks, error) {
	suspects := s.of(req).suspects
	q := query{from: req.From, to: req.To, kinds: []log.Kind{log.Intel, log.Notice}, fields: flowFields(log.Indicator, log.Note)}
	if suspects == nil || len(listed) > 0 {
		q.kinds = append(q.kinds, log.SSLLog, log.OpenSSL)
		q.fields = append(append(q.fields, suspectFields...), log.ServerName, log.Host, log.JA3, log.JA4, log.ChainPrints)
	}
	if suspects == nil {
		suspects = &hunt.Suspects{}
		q.kinds = append(q.kinds, log.HTTPLog, log.OpenHTTP)
	}
	texts := make(map[string]bool, len(listed))
	for _, text := range listed {
		texts[text] = true
	}
	names := func(field log.Field, r *log.Record) bool {
		for text := range r.List(field) {
			if texts[strings.ToLower(string(text))] {
				return true
			}
		}
		return false
	}
	out, err := s.each(ctx, q, func(r *log.Record) error {
		x, kind := hunt.Suspect{Src: r.Addr(log.OrigH), Dst: r.Addr(log.RespH), Port: r.Port(log.RespP)}, r.Kind.Closed()
		if kind == log.Intel {
			if of, ok := hunt.IntelSuspect(x, string(r.Text(log.Indicator)), &req.Scope); ok {
				suspects.Add(of)
			}
			return nil
		}
		if !req.Scope.Keep(x.Src, x.Dst) {
			return nil
		}
		x.Listed = kind == log.SSLLog && len(texts) > 0 && (names(log.JA3, r) || names(log.JA4, r) || names(log.ChainPrints, r))
		if x.Listed || kind == log.Notice {
			suspects.Add(x)
		} else {
			note(suspects, r, x)
		}
		return nil
	})
	if err != nil {
		return nil, hunt.Remarks{}, err
	}
	list, left := suspects.All()
	return list, hunt.Remarks{Notes: out.Notes, Gaps: append(out.Gaps, left...)}, nil
}

// note adds the pair of a handshake or request with two oddities.
func note(to *hunt.Suspects, r *log.Record, x hunt.Suspect) {
	odd := false
	switch r.Kind.Closed() {
	case log.SSLLog:
		odd = hunt.OddTLS(string(r.Text(log.ServerName)), string(r.Text(log.Subject)), string(r.Text(log.Issuer)), string(r.Text(log.Validation)), x.Port)
	case log.HTTPLog:
		var types []string
		for mime := range r.List(log.RespMIMEs) {
			types = append(types, string(mime))
		}
		odd = hunt.OddHTTP(hunt.HostName(string(r.Text(log.Host))), types, x.Port)
	}
	if odd {
		to.Add(x)
	}
}
