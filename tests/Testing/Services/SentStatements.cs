using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.Testing.Services;

/// <summary>A statement as a service sent it.</summary>
/// <param name="Text">With its parameters named.</param>
/// <param name="Parameters">As they were when it was sent.</param>
public sealed record SentStatement(string Text, IReadOnlyList<KeyValuePair<string, object>> Parameters)
{
    /// <summary>The same again, on any connection.</summary>
    /// <param name="connection">Open, of the same kind of server.</param>
    /// <param name="before">What stands before it, such as <c>EXPLAIN </c>.</param>
    /// <param name="parameters">Others than it was sent with; they have the same names.</param>
    public DbCommand On(DbConnection connection, string before = "", IReadOnlyList<KeyValuePair<string, object>>? parameters = null)
    {
        var command = connection.CreateCommand();
        command.CommandTimeout = 0;
#pragma warning disable CA2100 // A statement of the product.
        command.CommandText = before + Text;
#pragma warning restore CA2100
        foreach (var (name, value) in parameters ?? Parameters)
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            command.Parameters.Add(parameter);
        }
        return command;
    }
}

/// <summary>Listens to what the contexts it is added to send.</summary>
public sealed class SentStatements : DbCommandInterceptor
{
    private readonly ConcurrentQueue<SentStatement> _all = new();

    /// <summary>In order, repeats included.</summary>
    public IReadOnlyCollection<SentStatement> All => _all;

    /// <summary>Forgets all.</summary>
    public void Clear() => _all.Clear();

    /// <inheritdoc />
    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        Note(command);
        return ValueTask.FromResult(result);
    }

    /// <inheritdoc />
    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        Note(command);
        return ValueTask.FromResult(result);
    }

    private void Note(DbCommand command) => _all.Enqueue(new SentStatement(
        command.CommandText, [.. command.Parameters.Cast<DbParameter>().Select(one => KeyValuePair.Create(one.ParameterName, one.Value ?? DBNull.Value))]));
}
