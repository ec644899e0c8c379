package simulate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"dwell/internal/atomicfile"
)

// Format is how logs are written. The zero value is one TSV file per log, as Zeek writes it while it runs.
type Format struct {
	// JSON writes one JSON object per line, like Security Onion's Zeek, instead of TSV.
	JSON bool
	// Gzip compresses the files and adds .gz to their names.
	Gzip bool
	// Hourly rotates like Zeek: YYYY-MM-DD/conn.HH:00:00-HH:00:00.log, by the hour in which a line is written.
	Hourly bool
}

// output writes records to files, one file per log at a time.
type output struct {
	dir    string
	format Format
	end    micros
	open   map[Log]*file
	lines  map[Log]int64
	files  []string
	bytes  int64
}

// file is a log being written under a temporary name.
type file struct {
	name   string
	until  micros
	temp   *atomicfile.File
	gz     *gzip.Writer
	buf    *bufio.Writer
	line   line
	closed micros
}

func newOutput(dir string, f Format, end micros) *output {
	return &output{dir: dir, format: f, end: end, open: map[Log]*file{}, lines: map[Log]int64{}}
}

func (o *output) write(log Log, written micros, r record) error {
	f := o.open[log]
	if f != nil && written >= f.until && f.until < o.end {
		if err := o.finish(f); err != nil {
			return err
		}
		f = nil
	}
	if f == nil {
		var err error
		if f, err = o.begin(log, min(written, o.end-1), r); err != nil {
			return err
		}
		o.open[log] = f
	}
	f.line.begin()
	r.fields(&f.line)
	f.line.end()
	o.lines[log]++
	_, err := f.buf.Write(f.line.buf)
	if err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	return nil
}

// stamp is Zeek's time format in #open and #close.
const stamp = "2006-01-02-15-04-05"

func (o *output) begin(log Log, at micros, r record) (*file, error) {
	f := &file{name: string(log) + ".log", until: o.end, closed: o.end}
	if o.format.Hourly {
		from := at - at%hour
		f.until = from + hour
		f.closed = min(f.until, o.end)
		a, b := time.UnixMicro(from).UTC(), time.UnixMicro(from+hour).UTC()
		f.name = fmt.Sprintf("%s/%s.%s-%s.log", a.Format("2006-01-02"), log, a.Format("15:04:05"), b.Format("15:04:05"))
	}
	if o.format.Gzip {
		f.name += ".gz"
	}
	path := filepath.Join(o.dir, filepath.FromSlash(f.name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of %s: %w", f.name, err)
	}
	temp, err := atomicfile.Create(path, 0o644)
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", f.name, err)
	}
	f.temp = temp
	var w io.Writer = temp
	if o.format.Gzip {
		// A fixed level gives the same bytes for the same records.
		f.gz, _ = gzip.NewWriterLevel(temp, gzip.BestSpeed)
		w = f.gz
	}
	f.buf = bufio.NewWriterSize(w, 1<<16)
	if o.format.JSON {
		f.line.mode = jsonLine
		return f, nil
	}
	head := line{mode: headerLine}
	r.fields(&head)
	_, err = fmt.Fprintf(f.buf, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t%s\n#open\t%s\n#fields\t%s\n#types\t%s\n",
		log, time.UnixMicro(at).UTC().Format(stamp), strings.Join(head.names, "\t"), strings.Join(head.types, "\t"))
	if err != nil {
		f.temp.Discard()
		return nil, fmt.Errorf("write %s: %w", f.name, err)
	}
	return f, nil
}

// finish writes a file's last line and renames it.
func (o *output) finish(f *file) error {
	var err error
	if !o.format.JSON {
		_, err = fmt.Fprintf(f.buf, "#close\t%s\n", time.UnixMicro(f.closed).UTC().Format(stamp))
	}
	err = errors.Join(err, f.buf.Flush())
	if f.gz != nil {
		err = errors.Join(err, f.gz.Close())
	}
	if info, e := f.temp.Stat(); e == nil {
		o.bytes += info.Size()
	}
	if err == nil {
		err = f.temp.Commit()
	}
	f.temp.Discard()
	if err != nil {
		return fmt.Errorf("finish %s: %w", f.name, err)
	}
	o.files = append(o.files, f.name)
	return nil
}

func (o *output) close() error {
	for log, f := range o.open {
		delete(o.open, log)
		if err := o.finish(f); err != nil {
			return err
		}
	}
	return nil
}

// abort removes unfinished files.
func (o *output) abort() {
	for _, f := range o.open {
		f.temp.Discard()
	}
}

// vacant rejects a directory with logs that no simulation wrote.
func vacant(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("look into the directory for the logs: %w", err)
		}
		if name := d.Name(); !d.IsDir() && (strings.HasSuffix(name, ".log") || strings.Contains(name, ".log.")) {
			return fmt.Errorf("%s holds logs already (%s): give a new or an empty directory", dir, name)
		}
		return nil
	})
}
