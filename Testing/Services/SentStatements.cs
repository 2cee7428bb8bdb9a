using System.Collections.Concurrent;
using System.Data.Common;
using System.Text.RegularExpressions;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.Testing.Services;

/// <summary>A statement that a service sent.</summary>
/// <param name="Text">The text with parameter names.</param>
/// <param name="Parameters">The names and values of the parameters.</param>
public sealed record SentStatement(string Text, IReadOnlyList<KeyValuePair<string, object>> Parameters)
{
    /// <summary>Creates a command that repeats the statement.</summary>
    /// <param name="connection">An open connection to the same kind of server.</param>
    /// <param name="before">A prefix such as <c>EXPLAIN </c>.</param>
    /// <param name="parameters">Other values for the same parameter names; the recorded ones by default.</param>
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
            parameter.ParameterName = name;
            parameter.Value = value;
            command.Parameters.Add(parameter);
        }
        return command;
    }
}

/// <summary>Records the statements of the contexts to which it is added.</summary>
public sealed partial class SentStatements : DbCommandInterceptor
{
    private readonly ConcurrentQueue<SentStatement> _all = new();

    /// <summary>All recorded statements in order, including repeats.</summary>
    public IReadOnlyCollection<SentStatement> All => _all;

    /// <summary>Removes all recorded statements.</summary>
    public void Clear() => _all.Clear();

    /// <inheritdoc />
    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result,
        CancellationToken cancellationToken = default)
    {
        Record(command);
        return ValueTask.FromResult(result);
    }

    /// <inheritdoc />
    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        Record(command);
        return ValueTask.FromResult(result);
    }

    // EF Core sends several changes in one command.
    private void Record(DbCommand command)
    {
        foreach (var text in command.CommandText.Split(";\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var used = ParameterNames().Matches(text).Select(match => match.Value).ToHashSet();
            _all.Enqueue(new SentStatement(text,
                [.. command.Parameters.Cast<DbParameter>().Where(parameter => used.Contains(NameOf(parameter)))
                    .Select(parameter => KeyValuePair.Create(parameter.ParameterName, parameter.Value ?? DBNull.Value))]));
        }
    }

    private static string NameOf(DbParameter parameter) =>
        parameter.ParameterName.StartsWith('@') ? parameter.ParameterName : "@" + parameter.ParameterName;

    [GeneratedRegex(@"@\w+")]
    private static partial Regex ParameterNames();
}
