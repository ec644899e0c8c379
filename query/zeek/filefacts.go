package zeek

import (
	"net/netip"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// carried takes a record of a file, for the keys of the two hosts. Such records have no port.
func (g *gathering) carried(r *log.Record) {
	a, b := first(r, log.TxHosts), first(r, log.RxHosts)
	if !a.IsValid() || !b.IsValid() {
		a, b = r.Addr(log.OrigH), r.Addr(log.RespH)
	}
	mime, bytes := r.Text(log.MIMEType), max(r.Count(log.SeenBytes), 0)
	if len(mime) == 0 {
		return
	}
	take := func(f *gathered) { f.files.add(mime, bytes) }
	for _, way := range [][2]netip.Addr{{a, b}, {b, a}} {
		s := g.sources[way[0]]
		if s == nil {
			continue
		}
		for _, i := range s.byAddress[way[1]] {
			g.one(i, take)
		}
		for _, i := range s.networks {
			if g.wanted[i].Network.Contains(way[1]) {
				g.one(i, take)
			}
		}
	}
}

// first is the first address of a set, or the zero Addr.
func first(r *log.Record, field log.Field) netip.Addr {
	for text := range r.List(field) {
		a, _ := log.ParseAddr(text)
		return a
	}
	return netip.Addr{}
}

// files counts files by type, with their bytes.
type files map[string]*hunt.Carried

func (f *files) add(mime []byte, bytes int64) {
	if *f == nil {
		*f = files{}
	}
	c := (*f)[string(mime)]
	if c == nil {
		if len(*f) >= maxValues {
			return
		}
		c = &hunt.Carried{MIME: string(mime)}
		(*f)[c.MIME] = c
	}
	c.Count++
	c.Bytes += bytes
}

// carried are a key's kinds of files, the most frequent first.
func (f *gathered) carried() []hunt.Carried {
	var out []hunt.Carried
	for _, c := range f.files {
		out = append(out, *c)
	}
	return hunt.TopCarried(out)
}
