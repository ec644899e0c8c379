// Package judges builds the judges of a hunt, in their order. Only this package knows all of them.
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

// Settings configure the judges. The zero value uses the built-in data only.
type Settings struct {
	// Catalogue is a file of known services besides the built-in ones; empty means none.
	Catalogue string
	// FirstSeen is the path of the first-seen store; empty means none.
	FirstSeen string
	// Intel are indicator lists, as files and URLs; Feeds fetches the URLs.
	Intel []string
	Feeds *intel.Feeds
	// ASNFile and CountryFile are databases of address owners; empty means the usual paths.
	ASNFile, CountryFile string
}

// Named is a judge with a name for display.
type Named struct {
	Name string
	evidence.Judge
}

// Set are the judges of a hunt, with the parts that other rankings need.
type Set struct {
	// Judges are in the order of judging: evidence against a name must be known before the name explains anything.
	Judges []Named
	// FirstSeen is nil without a readable store.
	FirstSeen *firstseen.Store
	// Missing is why FirstSeen cannot be used.
	Missing error
	Intel   *intel.Lists
}

// Open reads the judges' data. Only an error of the catalog is returned; the judges report other missing data.
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

// List returns the judges without names.
func (s *Set) List() []evidence.Judge {
	list := make([]evidence.Judge, len(s.Judges))
	for i, j := range s.Judges {
		list[i] = j.Judge
	}
	return list
}
