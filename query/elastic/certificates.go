package elastic

import (
	"context"
	"encoding/json"
	"time"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// certificates looks up the hashes in x509 records.
func (f *facts) certificates() {
	f.shown = map[string]*hunt.Certificate{}
	for _, chain := range f.chains {
		for hash := range chain {
			f.shown[hash] = nil
		}
	}
	batches(f, f.shown, func(ctx context.Context, batch []string) error {
		since := between(f.req.From.Add(-relogged).UnixMilli(), f.req.To.UnixMilli())
		var answer struct {
			Certificates struct {
				Buckets []struct {
					One struct {
						Hits struct {
							Hits []certificateHit `json:"hits"`
						} `json:"hits"`
					} `json:"one"`
				} `json:"buckets"`
			} `json:"certificates"`
		}
		// With buckets, since a search that collapses fails where no index maps the field.
		search := dsl.Search{Op: "look up certificates", Index: f.index, Query: dsl.All(since, only(datasetX509), dsl.Terms(fieldCertHash, batch)),
			Aggs: object{"certificates": dsl.ValuesOf(fieldCertHash, batch, object{"one": object{"top_hits": object{"size": 1, "_source": []string{fieldCertHash, "x509"}}}})}}
		err := search.Aggregations(ctx, f.source.client, &answer)
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, b := range answer.Certificates.Buckets {
			for i := range b.One.Hits.Hits {
				c := b.One.Hits.Hits[i].certificate()
				f.shown[c.Hash] = c
			}
		}
		return err
	})
}

// join adds the certificates to the facts. A chain also has those of authorities; the server's own is the one whose
// subject the ssl record names.
func (f *facts) join() {
	for i := range f.wanted {
		list := f.book.Facts[i].TLS.Certificates
		var out []hunt.Certificate
		for _, shown := range list {
			before := len(out)
			for hash, n := range f.chains[i] {
				if c := f.shown[hash]; c != nil && c.Subject == shown.Subject {
					found := *c
					found.Count = n
					out = append(out, found)
				}
			}
			if len(out) > before {
				continue
			}
			if len(f.chains[i]) == 1 {
				for hash := range f.chains[i] {
					shown.Hash = hash
				}
			}
			out = append(out, shown)
		}
		f.book.Facts[i].TLS.Certificates = hunt.TopCertificates(out)
	}
}

// certificateHit is an x509 document.
type certificateHit struct {
	Source struct {
		Hash struct {
			SHA256 string `json:"sha256"`
		} `json:"hash"`
		X509 struct {
			Certificate struct {
				Subject string   `json:"subject"`
				Issuer  string   `json:"issuer"`
				Before  certTime `json:"not_valid_before"`
				After   certTime `json:"not_valid_after"`
			} `json:"certificate"`
			Names list `json:"san_dns"`
		} `json:"x509"`
	} `json:"_source"`
}

func (h *certificateHit) certificate() *hunt.Certificate {
	c, names := h.Source.X509.Certificate, h.Source.X509.Names
	return &hunt.Certificate{Hash: h.Source.Hash.SHA256, Subject: c.Subject, Issuer: c.Issuer, NotBefore: c.Before.ms(), NotAfter: c.After.ms(),
		Names: names[:min(len(names), 100)]}
}

// certTime is a time as Zeek writes it in JSON: seconds since 1970, or ISO 8601.
type certTime struct {
	at  time.Time
	set bool
}

// UnmarshalJSON leaves an invalid time unset: the certificate is still useful.
func (s *certTime) UnmarshalJSON(b []byte) error {
	var seconds json.Number
	var text string
	if json.Unmarshal(b, &seconds) == nil && seconds != "" {
		if v, err := seconds.Float64(); err == nil {
			*s = certTime{time.UnixMilli(int64(v * 1000)), true}
		}
	} else if json.Unmarshal(b, &text) == nil {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			*s = certTime{t, true}
		}
	}
	return nil
}

func (s certTime) ms() int64 {
	if !s.set {
		return hunt.Absent
	}
	return s.at.UnixMilli()
}

// list is a list of texts, or a single one.
type list []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *list) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}
