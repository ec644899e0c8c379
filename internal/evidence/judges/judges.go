// Package judges builds the judges of a hunt, in their order. It is the one place that knows all of them.
package judges

import (
	"context"

	"dwell/internal/evidence"
	"dwell/internal/evidence/catalogue"
	"dwell/internal/evidence/firstseen"
	"dwell/internal/evidence/host"
	"dwell/internal/evidence/intel"
	"dwell/internal/evidence/owner"
	"dwell/internal/evidence/protocol"
)

// Settings say what the judges go by. The zero value is what the program itself knows.
type Settings struct {
	// Catalogue is a file of known services beside those that are built in; empty means none.
	Catalogue string
	// FirstSeen is the store of what was seen first; empty means that there is none.
	FirstSeen string
	// Intel are indicator lists, files and URLs; Feeds says how URLs are fetched.
	Intel []string
	Feeds *intel.Feeds
	// ASNFile and CountryFile are databases of who holds an address; empty means the usual places.
	ASNFile, CountryFile string
}

// Named is a judge with its name for people.
type Named struct {
	Name string
	evidence.Judge
}

// Set are the judges of a hunt, and what other rankings need of them.
type Set struct {
	// Judges in the order in which they weigh: what speaks against a name has to be known before the name explains anything.
	Judges []Named
	// FirstSeen is nil without a store that can be read.
	FirstSeen *firstseen.Store
	// Missing is why FirstSeen cannot be used.
	Missing error
	Intel   *intel.Lists
}

// Open reads what the judges go by. The error is the catalogue's; what else is missing is told by the judge that misses it.
func Open(ctx context.Context, s Settings) (*Set, error) {
	known, err := catalogue.Load(s.Catalogue)
	if err != nil {
		return nil, err
	}
	set := &Set{Intel: intel.Load(ctx, s.Intel, s.Feeds)}
	if s.FirstSeen != "" {
		store, err := firstseen.Open(s.FirstSeen)
		set.FirstSeen, set.Missing = store, err
		set.Judges = append(set.Judges, Named{"first seen", firstseen.Judge{Store: store, Err: err}})
	}
	set.Judges = append(set.Judges, Named{"protocol", protocol.Judge{}}, Named{"owner", owner.Judge{Files: owner.Open(s.ASNFile, s.CountryFile)}},
		Named{"intel", set.Intel}, Named{"catalogue", known}, Named{"host", host.Judge{}})
	return set, nil
}

// List is the judges alone.
func (s *Set) List() []evidence.Judge {
	list := make([]evidence.Judge, len(s.Judges))
	for i, j := range s.Judges {
		list[i] = j.Judge
	}
	return list
}
