using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.Seats.Import;

/// <summary>A line that cannot be imported.</summary>
/// <param name="File">The file, as the operator named it.</param>
/// <param name="Line">The line on which the row begins, from 1.</param>
/// <param name="Reason">What the line has and what is allowed.</param>
public sealed record PlanError(string File, int Line, string Reason)
{
    public override string ToString() => Printable.Of($"{File}:{Line}: {Reason}");
}

/// <summary>Counts all errors of a plan and keeps the first of them.</summary>
internal sealed class PlanErrors(IReadOnlyList<string> files)
{
    private const int MaxKept = 100;

    private readonly SortedSet<(long Position, string Reason)> _first = [];

    public long Count { get; private set; }

    public IReadOnlyList<PlanError> First =>
        [.. _first.Select(error => new PlanError(FileOf(error.Position), LineOf(error.Position), error.Reason))];

    public static long Position(int file, int line) => ((long)file << 32) | (uint)line;

    public string FileOf(long position) => files[(int)(position >> 32)];

    public static int LineOf(long position) => (int)position;

    public void Add(long position, string reason)
    {
        Count++;
        _first.Add((position, reason));
        if (_first.Count > MaxKept)
            _first.Remove(_first.Max);
    }

    /// <summary>Returns a copy, which can take more errors without changing this one.</summary>
    public PlanErrors Copy()
    {
        var copy = new PlanErrors(files) { Count = Count };
        copy._first.UnionWith(_first);
        return copy;
    }
}
