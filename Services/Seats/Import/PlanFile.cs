using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Http;
using CsvHelper;
using CsvHelper.Configuration;

namespace ConcertSaga.Seats.Import;

/// <summary>
/// Reads one CSV file of a plan, row by row. The file is UTF-8 with or without a byte order mark, quoted by RFC 4180. Its first line names
/// the columns, in any order; some are optional. An invalid row is reported and skipped.
/// </summary>
internal sealed partial class PlanFile : IDisposable
{
    private const int MaxTextLength = 200, MaxSeatNumber = 1_000_000, MaxShownLine = 200, MaxShownValue = 60, DayLength = 10,
        MaxLabelStep = 10;

    // The default of Points:MaxBalance: no customer could pay more.
    private const long MaxPrice = 100_000_000;

    // Far longer than any allowed value. An unclosed quote must not read the rest of the file into memory.
    private const int MaxFieldLength = 8 * 1024;

    private readonly CsvParser _parser;

    // The place in the file of each column of the kind; negative if the file lacks it.
    private readonly int[] _places;

    // The number of columns in the file.
    private readonly int _width;

    // The current row: its first line, why it is invalid, and whether its quotes are wrong.
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
            // Rows() skips blank lines itself, because they count as lines.
            IgnoreBlankLines = false,
            MaxFieldSize = MaxFieldLength,
            BufferSize = 64 * 1024,
            ProcessFieldBufferSize = MaxFieldLength,
            BadDataFound = _ => _isBadlyQuoted = true
        });
        try
        {
            (Kind, _places, _width) = ReadHeader();
        }
        catch
        {
            _parser.Dispose();
            throw;
        }
    }

    /// <summary>The name, as the operator gave it.</summary>
    public string Name { get; }

    public PlanKind Kind { get; }

    /// <exception cref="StartupException">The file cannot be read, or its first line does not name the columns of a plan.</exception>
    public static PlanFile Open(string name)
    {
        try
        {
            // Invalid UTF-8 becomes a replacement character, which Text() refuses with its line.
            return new PlanFile(name, new StreamReader(name, Encoding.UTF8, detectEncodingFromByteOrderMarks: true, 64 * 1024));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"{name} cannot be read: {exception.Message}");
        }
    }

    public IEnumerable<ConcertRow> Concerts(int file, PlanErrors errors) => Rows(file, errors, position =>
    {
        var row = new ConcertRow(position, Id(ConcertColumns.ConcertId), Text(ConcertColumns.Title), Text(ConcertColumns.Venue),
            Instant(ConcertColumns.SaleOpensAt), Instant(ConcertColumns.SaleClosesAt), TimeZone(ConcertColumns.TimeZone));
        if (row.SaleClosesAt <= row.SaleOpensAt)
            Refuse($"saleClosesAt is '{Value(ConcertColumns.SaleClosesAt)}'; allowed: after saleOpensAt");
        return row;
    });

    public IEnumerable<VenuePlanRow> VenuePlans(int file, PlanErrors errors) => Rows(file, errors, position =>
    {
        var first = (int)Number(VenuePlanColumns.FirstSeat, 1, MaxSeatNumber);
        var last = (int)Number(VenuePlanColumns.LastSeat, Math.Max(1, first), MaxSeatNumber);
        var firstLabel = (int)Number(VenuePlanColumns.FirstLabel, 1, MaxSeatNumber, absent: 1);
        var step = (int)Number(VenuePlanColumns.LabelStep, -MaxLabelStep, MaxLabelStep, absent: 1);
        if (firstLabel + (((long)last - first) * step) < 1)
            Refuse($"labelStep is '{Value(VenuePlanColumns.LabelStep)}'; allowed: a step with which all labels are above 0");
        var group = Value(VenuePlanColumns.PriceGroup).Length == 0 ? null : Text(VenuePlanColumns.PriceGroup);
        return new VenuePlanRow(position, Text(VenuePlanColumns.VenuePlan), Text(VenuePlanColumns.Section), new VenueRow(
            Text(VenuePlanColumns.Row), first, last, firstLabel, step, group, Seats(VenuePlanColumns.Accessible, first, last),
            Seats(VenuePlanColumns.Companion, first, last), Seats(VenuePlanColumns.RestrictedView, first, last)));
    });

    /// <param name="file">The index of the file.</param>
    /// <param name="errors">Receives the invalid rows.</param>
    /// <param name="isVenuePlan">Whether a name is one of a venue plan.</param>
    public IEnumerable<ScheduleRow> Schedules(int file, PlanErrors errors, Func<string, bool> isVenuePlan) =>
        Rows(file, errors, position =>
        {
            var name = Value(ScheduleColumns.VenuePlan);
            if (name.Length > 0 && !isVenuePlan(name))
                Refuse(ScheduleColumns.VenuePlan, name, "a venue plan of the same import");
            return new ScheduleRow(
                position, Id(ScheduleColumns.ScheduleId), Id(ScheduleColumns.ConcertId), Instant(ScheduleColumns.StartsAt), name);
        });

    public IEnumerable<SeatRow> Seats(int file, PlanErrors errors) => Rows(file, errors, position =>
        new SeatRow(position, Id(SeatColumns.ScheduleId), (int)Number(SeatColumns.Number, 1, MaxSeatNumber),
            Number(SeatColumns.Price, 1, MaxPrice)));

    public void Dispose() => _parser.Dispose();

    private IEnumerable<TRow> Rows<TRow>(int file, PlanErrors errors, Func<long, TRow> read)
    {
        while (TryRead(out var isTooLong))
        {
            var position = PlanErrors.Position(file, _line);
            if (isTooLong)
            {
                // The field may contain the rest of the file, so no row after it can be recognized.
                errors.Add(position,
                    $"a field is longer than {MaxFieldLength} characters, perhaps because a quote is not closed; the rest of the file was "
                        + "not read.");
                yield break;
            }
            if (_parser.Count == 1 && _parser[0].Length == 0)
                continue;
            var row = default(TRow);
            if (_parser.Count == _width)
                row = read(position);
            else
                Refuse($"it has {_parser.Count} fields; allowed: {_width}, as in the first line");
            // Wrong quotes are the cause of any other error in the row.
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
        _line = _parser.RawRow + 1;
        _reason = null;
        _isBadlyQuoted = false;
        isTooLong = false;
        try
        {
            return _parser.Read();
        }
        catch (MaxFieldSizeException)
        {
            return isTooLong = true;
        }
    }

    private (PlanKind Kind, int[] Places, int Width) ReadHeader()
    {
        string[] found = TryRead(out var isTooLong) && !isTooLong ? [.. _parser.Record!.Select(name => name.Trim())] : [];
        foreach (var kind in Enum.GetValues<PlanKind>())
        {
            var columns = PlanColumns.Of(kind);
            var places = columns.Names
                .Select(column => Array.FindIndex(found, name => name.Equals(column, StringComparison.OrdinalIgnoreCase))).ToArray();
            if (found.Length == places.Count(place => place >= 0) && places.Take(columns.Required).All(place => place >= 0))
                return (kind, places, found.Length);
        }
        var line = string.Join(',', found);
        throw new StartupException(
            $"{Name}:1: the first line is '{Shorten(line, MaxShownLine)}'; allowed, in any order: "
            + $"{string.Join(" or ", Enum.GetValues<PlanKind>().Select(PlanColumns.Of))}.");
    }

    // Empty if the file lacks the column.
    private string Value(int column) => _places[column] is >= 0 and var place ? _parser[place] : "";

    private string NameOf(int column) => PlanColumns.Of(Kind).Names[column];

    private int Id(int column) => (int)Number(column, 1, int.MaxValue);

    private long Number(int column, long min, long max)
    {
        var value = Value(column);
        if (ValueReader.TryRead(value, out long number) && number >= min && number <= max)
            return number;
        Refuse(column, value, $"a whole number from {min} to {max}");
        return 0;
    }

    // An optional number.
    private long Number(int column, long min, long max, long absent) => Value(column).Length == 0 ? absent : Number(column, min, max);

    // Seat numbers of a row, with blanks between them.
    private int[] Seats(int column, int first, int last)
    {
        var numbers = new SortedSet<int>();
        foreach (var text in Value(column).Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!ValueReader.TryRead(text, out long number) || number < first || number > last || !numbers.Add((int)number))
                Refuse(column, Value(column), $"different seats from {first} to {last}, with blanks between them");
        }
        return [.. numbers];
    }

    private string Text(int column)
    {
        var value = Value(column);
        if (value.Contains('\uFFFD', StringComparison.Ordinal))
            Refuse($"{NameOf(column)} is not UTF-8");
        else if (value.Length > MaxTextLength || !Printable.IsVisibleLine(value))
            Refuse(column, value, $"1 to {MaxTextLength} characters in one line, some of them visible");
        return value;
    }

    private DateTimeOffset Instant(int column)
    {
        var value = Value(column);
        // A plan needs a time of day, and spreadsheets write a blank in front of it.
        var isSpaced = value.Length > DayLength && value[DayLength] == ' ';
        if (value.Length > DayLength
            && IsoInstant.TryParse(isSpaced ? $"{value[..DayLength]}T{value[(DayLength + 1)..]}" : value, null, out var instant))
            return instant.Value;
        Refuse(column, value, "a time with its offset, such as 2026-12-24T19:30:00+01:00");
        return default;
    }

    private string TimeZone(int column)
    {
        var value = Value(column);
        if (value.Length == 0)
            return Concert.DefaultTimeZone;
        // The shape excludes abbreviations and other files of the system's folder of time zones, which browsers do not know.
        if (!TimeZoneName().IsMatch(value) || !TimeZoneInfo.TryFindSystemTimeZoneById(value, out var zone) || !zone.HasIanaId)
            Refuse(column, value, "the IANA name of a time zone, such as Asia/Seoul");
        return value;
    }

    [GeneratedRegex("^(UTC|[A-Z][A-Za-z]{1,20}(/[A-Z][A-Za-z0-9_+-]{1,30}){1,2})$")]
    private static partial Regex TimeZoneName();

    private static string Shorten(string text, int max) => text.Length > max ? text[..max] + "…" : text;

    private void Refuse(int column, string value, string allowed) =>
        Refuse($"{NameOf(column)} is '{Shorten(value, MaxShownValue)}'; allowed: {allowed}");

    // The first reason is reported; others are dropped.
    private void Refuse(string reason) => _reason ??= reason;
}
