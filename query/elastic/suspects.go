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
	// suspectsPage is how many buckets one search brings, textsBatch how many fingerprints or hashes it asks for.
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
	spoken := func(protocol string) (ports []uint16) { // ports that stand for another protocol
		for port := range uint16(10_000) {
			if of := hunt.Spoken(port, hunt.TCP); of != nil && !slices.Contains(of, protocol) {
				ports = append(ports, port)
			}
		}
		return ports
	}
	absent := func(field string) object { return dsl.Any(dsl.Not(dsl.Exists(field)), dsl.Term(field, "")) }
	ends := []string{"s", fieldSource, "d", fieldDest, "p", fieldDstPort}
	each := func(what string, filter []any, optional []string, take func(x hunt.Suspect, b *suspectBucket)) error {
		search := dsl.Search{Op: "look for " + what, Index: names, Query: dsl.All(append([]any{during(req), dsl.Exists(fieldSource), dsl.Exists(fieldDest)}, filter...)...)}
		var sources []any
		for _, list := range [][]string{ends, optional} {
			for pair := range slices.Chunk(list, 2) {
				source := dsl.Source(pair[0], pair[1])
				if pair[0] != "s" && pair[0] != "d" {
					source[pair[0]].(object)["terms"].(object)["missing_bucket"] = true
				}
				sources = append(sources, source)
			}
		}
		return dsl.EachBucket(ctx, s.client, search, suspectsPage, sources, nil, func(b suspectBucket) error {
			src, errSrc := netip.ParseAddr(b.Key.Src)
			dst, errDst := netip.ParseAddr(b.Key.Dst)
			if errSrc != nil || errDst != nil {
				return nil
			}
			x := hunt.Suspect{Src: src.Unmap(), Dst: dst.Unmap()}
			if b.Key.Port != nil && *b.Key.Port > 0 && *b.Key.Port < 1<<16 {
				x.Port = uint16(*b.Key.Port)
			}
			take(x, &b)
			return nil
		})
	}
	pair := func(listed bool) func(hunt.Suspect, *suspectBucket) {
		return func(x hunt.Suspect, _ *suspectBucket) {
			if x.Listed = listed; req.Scope.Keep(x.Src, x.Dst) {
				found.Add(x)
			}
		}
	}
	err = each("Zeek intel hits", []any{only(datasetIntel)}, []string{"indicator", fieldIndicator}, func(x hunt.Suspect, b *suspectBucket) {
		if x, ok := hunt.IntelSuspect(x, b.Key.Indicator, &req.Scope); ok {
			found.Add(x)
		}
	})
	if err == nil {
		err = each("pairs with notices", []any{only(datasetNotice)}, nil, pair(false))
	}
	if err == nil {
		bad := dsl.Any(object{"wildcard": object{fieldValidation: object{"value": "*self*signed*", "case_insensitive": true}}},
			object{"wildcard": object{fieldValidation: object{"value": "*expired*", "case_insensitive": true}}},
			object{"wildcard": object{fieldValidation: object{"value": "*not yet valid*", "case_insensitive": true}}}, dsl.Exists(fieldSubject))
		err = each("odd TLS handshakes", []any{only(datasetTLS), dsl.Any(absent(fieldServerName), dsl.Terms(fieldDstPort, spoken("ssl"))),
			dsl.Any(bad, dsl.Terms(fieldDstPort, spoken("ssl")))},
			[]string{"n", fieldServerName, "subject", fieldSubject, "issuer", fieldIssuer, "validation", fieldValidation}, func(x hunt.Suspect, b *suspectBucket) {
				if req.Scope.Keep(x.Src, x.Dst) && hunt.OddTLS(b.Key.Name, b.Key.Subject, b.Key.Issuer, b.Key.Validation, x.Port) {
					found.Add(x)
				}
			})
	}
	if err == nil {
		err = each("odd HTTP requests", []any{only(datasetHTTP), dsl.Any(absent(fieldHost), object{"regexp": object{fieldHost: `\[?[0-9a-fA-F.:]+\]?(:[0-9]+)?`}}, dsl.Terms(fieldDstPort, spoken("http"))),
			dsl.Any(dsl.Exists(fieldBodyTypes), dsl.Terms(fieldDstPort, spoken("http")))},
			[]string{"n", fieldHost, "type", fieldBodyTypes}, func(x hunt.Suspect, b *suspectBucket) {
				if req.Scope.Keep(x.Src, x.Dst) && hunt.OddHTTP(hunt.HostName(b.Key.Name), []string{b.Key.Type}, x.Port) {
					found.Add(x)
				}
			})
	}
	for batch := range slices.Chunk(listed, textsBatch) {
		if err == nil {
			err = each("listed fingerprints and certificates", []any{only(datasetTLS), dsl.Any(dsl.Terms(fieldJA3, batch), dsl.Terms(fieldJA4, batch), dsl.Terms(fieldChain, batch))}, nil, pair(true))
		}
	}
	if err != nil {
		return nil, hunt.Remarks{}, fmt.Errorf("look for suspects: %w", err)
	}
	list, left := found.All()
	return list, hunt.Remarks{Gaps: left}, nil
}
