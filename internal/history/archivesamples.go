package history

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"dwell/internal/hunt"
)

// sampleBytes is what Archive.ReadAgain is if unset: some seconds.
const sampleBytes = 128 << 20

// began identifies a finding's last connection.
type began struct {
	src  netip.Addr
	port uint16
	at   int64 // Unix milliseconds
}

// samples fills in the uid of each finding's last connection, as [hunt.Session.Samples]: history does not keep uids, so
// the logs of that time are read again, the strongest findings' first.
func (a *Archive) samples(ctx context.Context, scope hunt.Scope, findings []hunt.Finding) (r hunt.Remarks, err error) {
	wanted, read, without := map[began]hunt.UID{}, map[string]bool{}, 0
	var during hunt.Window
	left := cmp.Or(a.ReadAgain, sampleBytes)
	for i := range findings {
		b, ok := lastOf(&findings[i])
		if !ok {
			continue
		}
		at := time.UnixMilli(b.at).UTC()
		var more []string
		for path, f := range a.Store.inputs.Files {
			if f.Conn && !read[path] && !at.Before(f.During.Start) && !at.After(f.During.End) {
				if _, err := os.Stat(path); err == nil { // what history has read may be gone
					more = append(more, path)
				}
			}
		}
		var size int64
		for _, path := range more {
			size += a.Store.inputs.Files[path].Bytes
		}
		if size > left {
			without++
			continue
		}
		for _, path := range more {
			read[path] = true
		}
		left -= size
		wanted[b] = hunt.UID{}
		during = join(during, hunt.Window{Start: at, End: at.Add(time.Millisecond)})
	}
	if without > 0 {
		r.Notes = append(r.Notes, hunt.Note{What: fmt.Sprintf("%s without log.id.uid: history does not keep it, and the logs of their last connection are too large to be read again", hunt.Many(without, "finding")),
			Hint: "hunt those logs without --history, or search them by address, port and time"})
	}
	if len(read) == 0 {
		return r, nil
	}
	var mu sync.Mutex
	in, req := a.Only(read).Open(), hunt.Request{Scope: scope, From: during.Start, To: during.End}
	note := func(batch []hunt.Connection) error {
		mu.Lock()
		defer mu.Unlock()
		for i := range batch {
			c := &batch[i]
			b := began{c.Src, c.SrcPort, c.Start}
			if uid, ok := wanted[b]; ok && bytes.Compare(c.UID[:], uid[:]) > 0 { // of two, the one that a table keeps
				wanted[b] = c.UID
			}
		}
		return ctx.Err()
	}
	if _, err = in.Connections(ctx, req, note); err == nil && len(a.Store.inputs.Proxies) > 0 {
		req.Scope.Proxies = a.Store.inputs.Proxies
		_, err = in.Connections(ctx, req, note)
	}
	if in.Close != nil {
		err = errors.Join(err, in.Close())
	}
	for i := range findings {
		if b, ok := lastOf(&findings[i]); ok && wanted[b] != (hunt.UID{}) {
			findings[i].Log = &hunt.Log{ID: hunt.LogID{UID: wanted[b].String()}}
		}
	}
	return r, err
}

// lastOf is a finding's last connection; DNS findings have none.
func lastOf(f *hunt.Finding) (began, bool) {
	at := f.Timestamp
	if !f.LastBegan.IsZero() && f.LastBegan.Before(at.Time) { // before the window
		at = f.LastBegan
	}
	return began{f.Source.IP, uint16(f.Source.Port), at.UnixMilli()}, f.Log == nil && f.Source.Port != 0
}
