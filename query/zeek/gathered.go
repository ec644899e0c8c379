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

// gathered are the facts of one key as they come.
type gathered struct {
	mu                                   sync.Mutex
	facts                                hunt.Facts
	serverNames, validation, hosts, mime values
	weird, notices                       values
	traits                               [3]values
	// certificates are as ssl records name them: id, subject and issuer with zero bytes between.
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
	f.validation.add(r.Text(log.Validation))
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
	uri := r.Text(log.URI)
	f.uris.add(uri)
	for mime := range r.List(log.RespMIMEs) {
		f.mime.add(mime)
		c := hunt.Content{URI: string(uri), MIME: string(mime)}
		if f.contents == nil {
			f.contents = map[hunt.Content]int64{}
		}
		if n, ok := f.contents[c]; ok || len(f.contents) < maxValues {
			f.contents[c] = n + 1
		}
	}
}
