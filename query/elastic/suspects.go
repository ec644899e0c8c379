package elastic

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

const (
	// suspectsPage is the number of buckets of one search, textsBatch the number of fingerprints or hashes it looks
	// for.
	suspectsPage, textsBatch = 1000, 1000
	fieldValidation          = "ssl.validation_status"
	fieldBodyTypes           = "file.resp_mime_types"
)

// suspectBucket is one combination of values.
type suspectBucket struct {
	Key struct {
		Src        string `json:"s"`
		Dst        string `json:"d"`
		Port       *int64 `json:"p"`
		Name       string `json:"n"`
		Subject    string `json:"subject"`
		Issuer     string `json:"issuer"`
		Validation string `json:"validation"`
		Indicator  string `json:"indicator"`
		Type       string `json:"type"`
	} `json:"key"`
}

// Suspects is [hunt.Session.Suspects]: composite aggregations over intel and notice documents, over handshakes and
// requests that can show two oddities, and over handshakes with listed fingerprints and certificates.
func (s *Source) Suspects(ctx context.Context, req hunt.Request, listed []string) ([]hunt.Suspect, hunt.Remarks, error) {
	names, _, err := s.indices(ctx)
	if err != nil {
		return nil, hunt.Remarks{}, err
	}
	var found hunt.Suspects
	for _, search := range suspectSearches(&req.Scope, listed, found.Add) {
		if err := s.suspects(ctx, names, req, &search); err != nil {
			return nil, hunt.Remarks{}, fmt.Errorf("look for suspects: %w", err)
		}
	}
	list, left := found.All()
	return list, hunt.Remarks{Gaps: left}, nil
}

// suspectSearch is one composite aggregation: of the documents that match its filter, by source, destination, port and
// the fields of more (pairs of a bucket key's name and the field).
type suspectSearch struct {
	what   string
	filter []any
	more   []string
	take   func(hunt.Suspect, *suspectBucket)
}

// suspectSearches are those of a hunt; add takes what is in scope.
func suspectSearches(scope *hunt.Scope, listed []string, add func(hunt.Suspect)) []suspectSearch {
	inScope := func(is func(*hunt.Suspect, *suspectBucket) bool) func(hunt.Suspect, *suspectBucket) {
		return func(x hunt.Suspect, b *suspectBucket) {
			if scope.Keep(x.Src, x.Dst) && is(&x, b) {
				add(x)
			}
		}
	}
	absent := func(field string) object { return dsl.Any(dsl.Not(dsl.Exists(field)), dsl.Term(field, "")) }
	says := func(text string) object {
		return object{"wildcard": object{fieldValidation: object{"value": text, "case_insensitive": true}}}
	}
	notTLS, notHTTP := dsl.Terms(fieldDstPort, portsOfOthers("ssl")), dsl.Terms(fieldDstPort, portsOfOthers("http"))
	list := []suspectSearch{
		{"Zeek intel hits", []any{only(datasetIntel)}, []string{"indicator", fieldIndicator}, func(x hunt.Suspect, b *suspectBucket) {
			if of, ok := hunt.IntelSuspect(x, b.Key.Indicator, scope); ok {
				add(of)
			}
		}},
		{"pairs with notices", []any{only(datasetNotice)}, nil, inScope(func(*hunt.Suspect, *suspectBucket) bool { return true })},
		{"odd TLS handshakes", []any{only(datasetTLS), dsl.Any(absent(fieldServerName), notTLS),
			dsl.Any(says("*self*signed*"), says("*expired*"), says("*not yet valid*"), dsl.Exists(fieldSubject), notTLS)},
			[]string{"n", fieldServerName, "subject", fieldSubject, "issuer", fieldIssuer, "validation", fieldValidation},
			inScope(func(x *hunt.Suspect, b *suspectBucket) bool {
				return hunt.OddTLS(b.Key.Name, b.Key.Subject, b.Key.Issuer, b.Key.Validation, x.Port)
			})},
		{"odd HTTP requests", []any{only(datasetHTTP),
			dsl.Any(absent(fieldHost), object{"regexp": object{fieldHost: `\[?[0-9a-fA-F.:]+\]?(:[0-9]+)?`}}, notHTTP), dsl.Any(dsl.Exists(fieldBodyTypes), notHTTP)},
			[]string{"n", fieldHost, "type", fieldBodyTypes},
			inScope(func(x *hunt.Suspect, b *suspectBucket) bool {
				return hunt.OddHTTP(hunt.HostName(b.Key.Name), []string{b.Key.Type}, x.Port)
			})},
	}
	for batch := range slices.Chunk(listed, textsBatch) {
		list = append(list, suspectSearch{"listed fingerprints and certificates",
			[]any{only(datasetTLS), dsl.Any(dsl.Terms(fieldJA3, batch), dsl.Terms(fieldJA4, batch), dsl.Terms(fieldChain, batch))}, nil,
			inScope(func(x *hunt.Suspect, _ *suspectBucket) bool { x.Listed = true; return true })})
	}
	return list
}

// portsOfOthers are the ports that stand for another protocol.
func portsOfOthers(protocol string) (ports []uint16) {
	for port := range uint16(10_000) {
		if of := hunt.Spoken(port, hunt.TCP); of != nil && !slices.Contains(of, protocol) {
			ports = append(ports, port)
		}
	}
	return ports
}

// suspects runs one of the searches. A source or destination that is not an address is left out.
func (s *Source) suspects(ctx context.Context, index []string, req hunt.Request, search *suspectSearch) error {
	sources := []any{dsl.Source("s", fieldSource), dsl.Source("d", fieldDest)}
	for pair := range slices.Chunk(append([]string{"p", fieldDstPort}, search.more...), 2) {
		sources = append(sources, object{pair[0]: object{"terms": object{"field": pair[1], "missing_bucket": true}}})
	}
	query := dsl.All(append([]any{during(req), dsl.Exists(fieldSource), dsl.Exists(fieldDest)}, search.filter...)...)
	return dsl.EachBucket(ctx, s.client, dsl.Search{Op: "look for " + search.what, Index: index, Query: query}, suspectsPage, sources, nil, func(b suspectBucket) error {
		src, errSrc := netip.ParseAddr(b.Key.Src)
		dst, errDst := netip.ParseAddr(b.Key.Dst)
		if errSrc != nil || errDst != nil {
			return nil
		}
		x := hunt.Suspect{Src: src.Unmap(), Dst: dst.Unmap()}
		if b.Key.Port != nil && *b.Key.Port > 0 && *b.Key.Port < 1<<16 {
			x.Port = uint16(*b.Key.Port)
		}
		search.take(x, &b)
		return nil
	})
}
