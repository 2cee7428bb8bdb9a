using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>Records the statements of a context as the server receives them.</summary>
internal sealed class Statements : DbCommandInterceptor
{
    private readonly ConcurrentQueue<string> _all = new();

    public IEnumerable<string> All => _all;

    public override ValueTask<DbDataReader> ReaderExecutedAsync(
        DbCommand command, CommandExecutedEventData eventData, DbDataReader result, CancellationToken cancellationToken = default)
    {
        _all.Enqueue(command.CommandText);
        return ValueTask.FromResult(result);
    }
}
