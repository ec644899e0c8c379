package zeek

import (
	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// intelSeen is an indicator with the lists that have it.
type intelSeen struct {
	kinds, sources values
	count          int64
}

// saw takes a record of Zeek's intelligence framework.
func (f *gathered) saw(r *log.Record) {
	indicator := r.Text(log.Indicator)
	x := f.intel[string(indicator)]
	if len(indicator) == 0 || x == nil && len(f.intel) >= maxValues {
		return
	}
	if f.intel == nil {
		f.intel = map[string]*intelSeen{}
	}
	if x == nil {
		x = &intelSeen{}
		f.intel[string(indicator)] = x
	}
	x.count++
	x.kinds.add(r.Text(log.IndicatorType))
	for source := range r.List(log.Sources) {
		x.sources.add(source)
	}
}

// seen are the indicators of a key, the most frequent first.
func (f *gathered) seen() []hunt.IntelSeen {
	var out []hunt.IntelSeen
	for indicator, x := range f.intel {
		s := hunt.IntelSeen{Indicator: indicator, Sources: hunt.Top(x.sources), Count: x.count}
		if kinds := hunt.Top(x.kinds); len(kinds) > 0 {
			s.Type = kinds[0].Value
		}
		out = append(out, s)
	}
	return hunt.TopIntel(out)
}
