package zeek

import (
	"net/netip"
	"sync"

	"dwell/internal/hunt"
)

// dropped counts what the scope leaves out.
type dropped struct {
	mu sync.Mutex
	hunt.OutOfScope
}

func (d *dropped) add(scope *hunt.Scope, src, dst netip.Addr) {
	switch {
	case scope.Narrowed():
	case scope.IsInternal(src) && hunt.SharedSpace().Contains(dst) && !scope.SharedIsExternal():
		d.Shared++
	case scope.IsInternal(src) && scope.IsInternal(dst) && !scope.Names(dst):
		d.AddCalled(dst, 1)
	case scope.IsInternal(src) && scope.IsInternal(dst) || scope.Never(src) || scope.Never(dst):
	case scope.IsInternal(src) || scope.IsInternal(dst):
		d.Reverse++
	default:
		d.Add(src, 1)
	}
}

func (d *dropped) merge(o *dropped) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for p, n := range o.Networks {
		d.Add(p.Addr(), n)
	}
	for p, n := range o.Called {
		d.AddCalled(p.Addr(), n)
	}
	d.Shared, d.Others, d.Reverse = d.Shared+o.Shared, d.Others+o.Others, d.Reverse+o.Reverse
}
