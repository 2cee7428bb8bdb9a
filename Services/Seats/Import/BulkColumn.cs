namespace ConcertSaga.Seats.Import;

/// <summary>Reads one column of rows that are written in bulk. Each constructor takes the values of one type.</summary>
/// <typeparam name="TRow">The type of the rows.</typeparam>
public sealed class BulkColumn<TRow>
{
    private readonly Func<TRow, object> _read;
    private readonly Action<TRow, CopyBuffer> _copy;

    /// <summary>A column of 32-bit integers.</summary>
    public BulkColumn(string name, Func<TRow, int> value)
        : this(name, typeof(int), row => value(row), (row, buffer) => buffer.Add(value(row)))
    {
    }

    /// <summary>A column of 64-bit integers.</summary>
    public BulkColumn(string name, Func<TRow, long> value)
        : this(name, typeof(long), row => value(row), (row, buffer) => buffer.Add(value(row)))
    {
    }

    /// <summary>A column of text.</summary>
    public BulkColumn(string name, Func<TRow, string> value)
        : this(name, typeof(string), value, (row, buffer) => buffer.Add(value(row)))
    {
    }

    /// <summary>A column of instants.</summary>
    public BulkColumn(string name, Func<TRow, DateTimeOffset> value)
        : this(name, typeof(DateTimeOffset), row => value(row), (row, buffer) => buffer.Add(value(row)))
    {
    }

    /// <summary>A column of ids that may be null.</summary>
    public BulkColumn(string name, Func<TRow, Guid?> value)
        : this(name, typeof(Guid), row => value(row) is { } id ? id : DBNull.Value, (row, buffer) => buffer.Add(value(row)))
    {
    }

    private BulkColumn(string name, Type type, Func<TRow, object> read, Action<TRow, CopyBuffer> copy)
    {
        Name = name;
        Type = type;
        _read = read;
        _copy = copy;
    }

    /// <summary>The name of the column in its table.</summary>
    public string Name { get; }

    internal Type Type { get; }

    /// <summary>Returns the value as an object, for database clients that accept nothing else.</summary>
    internal object ValueOf(TRow row) => _read(row);

    /// <summary>Adds the value to a buffer without boxing it.</summary>
    internal void CopyTo(CopyBuffer buffer, TRow row) => _copy(row, buffer);
}
