package elastic

import (
	"context"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// ReadSignatures is [hunt.Session.Signatures], from zeek.ssl and zeek.http documents, by slices and pages like Read's.
// Records that differ only in their time are one.
func (s *Source) ReadSignatures(ctx context.Context, req hunt.Request, emit func([]hunt.Signature) error) (hunt.Reading, error) {
	return s.readLogs(ctx, req,
		hunt.Note{What: "there is no zeek.ssl or zeek.http record in the window, so nothing is known of rare signatures",
			Hint: "see whether Zeek's ssl and http logs arrive"},
		log{many: "signatures", query: signatureQuery(req.Scope, true), rows: rowsOf(signature(), emit)},
		log{many: "signatures of CONNECT requests", query: signatureQuery(req.Scope, false), rows: rowsOf(signature(), emit)})
}

// noSignatures is what a hunt lacks where signatures cannot be aggregated.
const noSignatures = "so none of these signatures is known to be rare"

// signatureQuery searches for records that show a signature: those in scope, or the requests to proxies.
func signatureQuery(scope hunt.Scope, direct bool) query {
	q := query{filter: []any{isAsked(scope, false), dsl.Exists(fieldDest)}, mustNot: []any{}}
	if direct {
		q = scoped(scope)
		q.mustNot = append(q.mustNot, isAsked(scope, false))
	}
	q.datasets = []string{datasetTLS, datasetHTTP}
	q.filter = append(q.filter, dsl.Terms(fieldDataset, q.datasets), dsl.Any(dsl.Exists(securityonion.FieldUserAgent), dsl.Exists(fieldJA3)))
	q.sources = []source{{"s", fieldSource, false}, {"d", fieldDest, false}, {"h", fieldServerName, true}, {"v", fieldHost, true},
		{"a", securityonion.FieldUserAgent, true}, {"3", fieldJA3, true}}
	q.spare = map[string]string{securityonion.FieldUserAgent: noSignatures, fieldJA3: noSignatures}
	q.also = []string{fieldTime}
	if !direct {
		q.sources = append(q.sources, source{"u", fieldURI, true})
		q.also = append(q.also, fieldMethod)
	}
	return q
}

// signature makes a signature of a bucket of signatureQuery. A TLS record has no host and no user agent, an HTTP record
// no server name and no JA3.
func signature() row[hunt.Signature] {
	return row[hunt.Signature]{
		key: func(p *cells, n *hunt.Signature) bool {
			s := &p.scan
			var uri, host string
			p.letters(func(letter byte) {
				switch letter {
				case 's':
					n.Src = p.addr(s.Text())
				case 'd':
					n.Dst = p.addr(s.Text())
				case 'h':
					n.Name = p.host(s.Text())
				case 'v':
					host = p.text(s.Text())
				case 'u':
					uri = p.text(s.Text())
				case 'a', '3':
					n.Text = p.text(s.Text())
				default:
					s.Skip()
				}
			})
			switch {
			case uri != "":
				n.Name, _ = hunt.ConnectTarget(uri, host)
			case host != "":
				n.Name = p.host([]byte(host))
			}
			return n.Src.IsValid() && n.Dst.IsValid()
		},
		count: func(*hunt.Signature, int64) {},
	}
}
