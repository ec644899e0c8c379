package elastic

import (
	"context"
	"encoding/json"
	"time"

	"dwell/internal/es"
	"dwell/internal/hunt"
)

// certificates looks the hashes up in x509 records.
func (f *facts) certificates() {
	f.shown = map[string]*hunt.Certificate{}
	for _, chain := range f.chains {
		for hash := range chain {
			f.shown[hash] = nil
		}
	}
	batches(f, f.shown, func(ctx context.Context, batch []string) error {
		return f.search(ctx, "look up certificates", relogged, []any{only(datasetX509), object{"terms": object{fieldCertHash: batch}}}, object{
			"size": len(batch), "collapse": object{"field": fieldCertHash}, "_source": []string{fieldCertHash, "x509"},
		}, func(r es.SearchResult) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			return certificates(r.Hits, f.shown)
		})
	})
}

// join puts the certificates into the facts. A chain holds those of authorities too; the server's own is the one whose
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

// certificates reads hits of x509 documents.
func certificates(raw []byte, into map[string]*hunt.Certificate) error {
	var hits struct {
		Hits []struct {
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
		} `json:"hits"`
	}
	if err := json.Unmarshal(raw, &hits); err != nil {
		return err
	}
	for _, h := range hits.Hits {
		c := h.Source.X509.Certificate
		into[h.Source.Hash.SHA256] = &hunt.Certificate{Hash: h.Source.Hash.SHA256, Subject: c.Subject, Issuer: c.Issuer, NotBefore: c.Before.ms(),
			NotAfter: c.After.ms(), Names: h.Source.X509.Names[:min(len(h.Source.X509.Names), 100)]}
	}
	return nil
}

// certTime is a time as Zeek writes it in JSON: seconds since 1970, or ISO 8601.
type certTime struct {
	at  time.Time
	set bool
}

// UnmarshalJSON takes what is no time as not set: the certificate is still worth having.
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

// list is a list of texts, or one alone.
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
