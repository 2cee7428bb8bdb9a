using System.Globalization;
using System.Text;
using ConcertSaga.Shared.Hosting;
using CsvHelper;
using CsvHelper.Configuration;

namespace ConcertSaga.Seats.Import;

/// <summary>
/// One CSV file of a plan: UTF-8 with or without a byte order mark, quoted as RFC 4180 has it, its columns named in the first line in any
/// order. Rows are read one by one; what is wrong with a row is noted, and the row left out.
/// </summary>
internal sealed class PlanFile : IDisposable
{
    private const int LongestText = 200, MostSeatNumber = 1_000_000;

    // Nobody can have more points than this.
    private const long MostPrice = 100_000_000;

    // Far longer than any value that is allowed; a quote that is never closed must not fetch the rest of the file into memory.
    private const int LongestField = 8 * 1024;

    private static readonly string[] InstantFormats =
    [
        "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK",
        "yyyy-MM-dd HH:mmK", "yyyy-MM-dd HH:mm:ssK", "yyyy-MM-dd HH:mm:ss.FFFFFFFK"
    ];

    private readonly CsvParser _parser;

    // Where each column of the kind stands in a row.
    private readonly int[] _places;

    // Of the row that was read last: its first line, what is wrong with it, and whether it is its quotes.
    private int _line = 1;
    private string? _reason;
    private bool _isBadlyQuoted;

    private PlanFile(string name, StreamReader text)
    {
        Name = name;
        _parser = new CsvParser(text, new CsvConfiguration(CultureInfo.InvariantCulture)
        {
            Mode = CsvMode.RFC4180,
            HasHeaderRecord = false,
            // They are left out here, where they are counted.
            IgnoreBlankLines = false,
            MaxFieldSize = LongestField,
            BufferSize = 64 * 1024,
            ProcessFieldBufferSize = LongestField,
            BadDataFound = _ => _isBadlyQuoted = true
        });
        try
        {
            (Kind, _places) = ReadHeader();
        }
        catch
        {
            _parser.Dispose();
            throw;
        }
    }

    /// <summary>As it was given.</summary>
    public string Name { get; }

    public PlanKind Kind { get; }

    /// <exception cref="StartupException">It cannot be read, or its first line names no columns of a plan.</exception>
    public static PlanFile Open(string name)
    {
        try
        {
            // What is no UTF-8 becomes a replacement character, which is refused in its line.
            return new PlanFile(name, new StreamReader(name, Encoding.UTF8, detectEncodingFromByteOrderMarks: true, 64 * 1024));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"{name} cannot be read: {exception.Message}");
        }
    }

    public IEnumerable<ConcertRow> Concerts(int file, PlanErrors errors) => Rows(file, errors, position =>
    {
        var (id, title, venue) = (Number(0, 1, int.MaxValue), Text(1), Text(2));
        var (opens, closes) = (Instant(3), Instant(4));
        if (_reason is null && closes <= opens)
            Refuse($"saleClosesAt is '{Value(4)}'; allowed: after saleOpensAt");
        return new ConcertRow(position, (int)id, title, venue, opens, closes);
    });

    public IEnumerable<ScheduleRow> Schedules(int file, PlanErrors errors) => Rows(file, errors, position =>
        new ScheduleRow(position, (int)Number(0, 1, int.MaxValue), (int)Number(1, 1, int.MaxValue), Instant(2)));

    public IEnumerable<SeatRow> Seats(int file, PlanErrors errors) => Rows(file, errors, position =>
        new SeatRow(position, (int)Number(0, 1, int.MaxValue), (int)Number(1, 1, MostSeatNumber), Number(2, 1, MostPrice)));

    public void Dispose() => _parser.Dispose();

    private IEnumerable<TRow> Rows<TRow>(int file, PlanErrors errors, Func<long, TRow> read)
    {
        while (TryRead(out var isTooLong))
        {
            var position = PlanErrors.Position(file, _line);
            if (isTooLong)
            {
                // The rest of the file may be inside that field, and cannot be told from rows.
                errors.Add(position, $"a field is longer than {LongestField} characters, perhaps by a quote that is never closed; what follows was not read.");
                yield break;
            }
            if (_parser.Count == 1 && _parser[0].Length == 0)
                continue;
            var row = default(TRow);
            if (_parser.Count == _places.Length)
                row = read(position);
            else
                Refuse($"it has {_parser.Count} fields; allowed: {_places.Length}, as the first line has");
            // Whatever else was found in it is the consequence.
            if (_isBadlyQuoted)
                _reason = "its quotes are wrong; allowed: quotes around the whole field, doubled inside it";
            if (_reason is null)
                yield return row!;
            else
                errors.Add(position, _reason + ".");
        }
    }

    private bool TryRead(out bool isTooLong)
    {
        (_line, _reason, _isBadlyQuoted, isTooLong) = (_parser.RawRow + 1, null, false, false);
        try
        {
            return _parser.Read();
        }
        catch (MaxFieldSizeException)
        {
            return isTooLong = true;
        }
    }

    private (PlanKind Kind, int[] Places) ReadHeader()
    {
        string[] found = TryRead(out var isTooLong) && !isTooLong ? [.. _parser.Record!.Select(name => name.Trim())] : [];
        foreach (var kind in Enum.GetValues<PlanKind>())
        {
            var columns = PlanColumns.Of(kind);
            var places = columns.Select(column => Array.FindIndex(found, name => name.Equals(column, StringComparison.OrdinalIgnoreCase))).ToArray();
            if (found.Length == columns.Length && Array.TrueForAll(places, place => place >= 0))
                return (kind, places);
        }
        var line = string.Join(',', found);
        throw new StartupException($"{Name}:1: the first line is '{(line.Length > 200 ? line[..200] + "…" : line)}'; allowed, in any order: "
            + $"{string.Join(" or ", Enum.GetValues<PlanKind>().Select(kind => string.Join(',', PlanColumns.Of(kind))))}.");
    }

    private string Value(int column) => _parser[_places[column]];

    private long Number(int column, long least, long most)
    {
        var value = Value(column);
        if (long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
            return number;
        Refuse($"{Column(column)} is '{Shown(value)}'; allowed: a whole number from {least} to {most}");
        return 0;
    }

    private string Text(int column)
    {
        var value = Value(column);
        if (value.Contains('\uFFFD', StringComparison.Ordinal))
            Refuse($"{Column(column)} is not UTF-8");
        else if (string.IsNullOrWhiteSpace(value) || value.Length > LongestText || value.Any(char.IsControl))
            Refuse($"{Column(column)} is '{Shown(value)}'; allowed: 1 to {LongestText} characters in one line");
        return value;
    }

    private DateTimeOffset Instant(int column)
    {
        var value = Value(column);
        // Without an offset it would mean another instant on each machine.
        if (value.Length > 0 && (value[^1] == 'Z' || value.LastIndexOfAny(['+', '-']) > "yyyy-MM-dd".Length)
            && DateTimeOffset.TryParseExact(value, InstantFormats, CultureInfo.InvariantCulture, DateTimeStyles.None, out var instant))
            return instant.ToUniversalTime();
        Refuse($"{Column(column)} is '{Shown(value)}'; allowed: a time with its offset, such as 2026-12-24T19:30:00+01:00");
        return default;
    }

    private string Column(int column) => PlanColumns.Of(Kind)[column];

    private static string Shown(string value)
    {
        var line = string.Concat(value.Select(letter => char.IsControl(letter) ? ' ' : letter));
        return line.Length > 60 ? line[..60] + "…" : line;
    }

    // A row is refused once, for the first thing that is wrong with it.
    private void Refuse(string reason) => _reason ??= reason;
}
