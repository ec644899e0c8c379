package zeek

import (
	"sync"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// values counts values.
type values map[string]int64

func (v *values) add(b []byte) {
	if len(b) == 0 {
		return
	}
	if *v == nil {
		*v = values{}
	}
	if n, ok := (*v)[string(b)]; ok || len(*v) < maxValues {
		(*v)[string(b)] = n + 1
	}
}

// counted are the fields of hunt.Columns.
var counted = func() (out [hunt.AllColumns]log.Field) {
	for i, c := range hunt.Columns() {
		out[i] = log.FieldOf(c.Name)
	}
	return out
}()

// count counts the values of a record's counted columns.
func (f *gathered) count(r *log.Record) {
	for i, c := range hunt.Columns() {
		switch {
		case c.Log != string(r.Kind.Closed()):
		case c.List:
			for v := range r.List(counted[i]) {
				f.values[i].add(v)
			}
		default:
			f.values[i].add(r.Text(counted[i]))
		}
	}
}

// gathered are the facts of one key.
type gathered struct {
	mu                 sync.Mutex
	facts              hunt.Facts
	serverNames, hosts values
	weird, notices     values
	traits             [3]values
	// values are those of counted.
	values [hunt.AllColumns]values
	// certificates are as ssl records name them: id, subject and issuer, separated by zero bytes.
	certificates values
	contents     map[hunt.Content]int64
	uris         values
	intel        map[string]*intelSeen
	files        files
	scratch      []byte
}

func (f *gathered) tls(r *log.Record, name string) {
	t := &f.facts.TLS
	t.Records++
	if name == "" {
		t.NoName++
	}
	f.serverNames.add([]byte(name))
	f.count(r)
	f.traits[traitJA3].add(r.Text(log.JA3))
	f.traits[traitJA4].add(r.Text(log.JA4))
	c := f.scratch[:0]
	for _, list := range []log.Field{log.ChainPrints, log.ChainFUIDs} {
		for id := range r.List(list) {
			c = append(c, id...)
			break
		}
		if len(c) > 0 {
			break
		}
	}
	c = append(append(c, 0), r.Text(log.Subject)...)
	c = append(append(c, 0), r.Text(log.Issuer)...)
	if f.scratch = c; len(c) > 2 {
		f.certificates.add(c)
	}
}

func (f *gathered) http(r *log.Record, host string) {
	f.facts.HTTP.Requests++
	if host == "" {
		f.facts.HTTP.NoHost++
	}
	f.hosts.add([]byte(host))
	f.traits[traitAgent].add(r.Text(log.UserAgent))
	f.count(r)
	uri := r.Text(log.URI)
	f.uris.add(uri)
	for mime := range r.List(log.RespMIMEs) {
		c := hunt.Content{URI: string(uri), MIME: string(mime)}
		if f.contents == nil {
			f.contents = map[hunt.Content]int64{}
		}
		if n, ok := f.contents[c]; ok || len(f.contents) < maxValues {
			f.contents[c] = n + 1
		}
	}
}
