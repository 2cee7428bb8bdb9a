namespace ConcertSaga.Seats.Import;

/// <summary>A line that cannot be imported.</summary>
/// <param name="File">The file as it was given.</param>
/// <param name="Line">From 1; the line a row begins on.</param>
/// <param name="Reason">What was found and what is allowed.</param>
public sealed record PlanError(string File, int Line, string Reason)
{
    public override string ToString() => $"{File}:{Line}: {Reason}";
}

/// <summary>Counts all errors and keeps the first of them.</summary>
internal sealed class PlanErrors(IReadOnlyList<string> files)
{
    /// <summary>So many are named.</summary>
    public const int Named = 100;

    private readonly SortedSet<(long Position, string Reason)> _first = [];

    public long Count { get; private set; }

    public IReadOnlyList<PlanError> First => [.. _first.Select(error => new PlanError(files[FileOf(error.Position)], LineOf(error.Position), error.Reason))];

    public static long Position(int file, int line) => ((long)file << 32) | (uint)line;

    public static int LineOf(long position) => (int)position;

    public void Add(long position, string reason)
    {
        Count++;
        _first.Add((position, reason));
        if (_first.Count > Named)
            _first.Remove(_first.Max);
    }

    private static int FileOf(long position) => (int)(position >> 32);
}
