package history

import (
	"encoding/json"
	"os"
	"path/filepath"

	"dwell/internal/atomicfile"
	"dwell/internal/hunt"
)

// begunFile has what the last hunt knew of connections that are still open.
const begunFile = "open.json"

// begun is what the last hunt knew of open connections; zero if nothing is known, or the file is damaged: the next hunt
// then looks at all beginnings.
func (s *Store) begun() (b hunt.Begun) {
	text, err := os.ReadFile(filepath.Join(s.dir, begunFile))
	if err != nil || json.Unmarshal(text, &b) != nil {
		return hunt.Begun{}
	}
	return b
}

func (s *Store) keepBegun(b *hunt.Begun) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(s.dir, begunFile), 0o600, text)
}
