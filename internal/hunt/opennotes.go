package hunt

import (
	"fmt"
	"time"
)

// openNotes bounds how many open connections have a note of their own.
const openNotes = 20

// OpenNotes are the notes on connections that are still open, the oldest first.
func OpenNotes(list []Connection) (notes []Note) {
	for i := range list {
		c := &list[i]
		if i == openNotes {
			return append(notes, Note{What: fmt.Sprintf("still open, too: %s; they count up to the end of the conn logs", Many(len(list)-i, "connection"))})
		}
		notes = append(notes, Note{What: fmt.Sprintf("still open: %s > %s port %d, since %s; it counts up to the end of the conn logs", c.Src, c.Dst, c.DstPort, At(c.Start).Time.UTC().Format(time.RFC3339))})
	}
	return notes
}
