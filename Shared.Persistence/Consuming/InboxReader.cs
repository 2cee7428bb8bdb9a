using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Looks up whether a consumer has already consumed a message.</summary>
internal sealed class InboxReader<TDbContext>(IServiceScopeFactory scopes)
    : GroupedReader<TDbContext, (Guid MessageId, Guid ConsumerId), bool>(scopes)
    where TDbContext : DbContext
{
    // Compiled once: at light load each message runs its own query, and translating it would cost more than running it.
    private readonly Func<TDbContext, List<Guid>, IAsyncEnumerable<InboxKey>> _query = EF.CompileAsyncQuery(
        (TDbContext database, List<Guid> messageIds) => database.Set<InboxState>().Where(row => messageIds.Contains(row.MessageId))
            .Select(row => new InboxKey(row.MessageId, row.ConsumerId)));

    protected override async Task<Dictionary<(Guid MessageId, Guid ConsumerId), bool>> QueryAsync(
        TDbContext database, List<(Guid MessageId, Guid ConsumerId)> keys)
    {
        var consumed = new Dictionary<(Guid MessageId, Guid ConsumerId), bool>();
        await foreach (var row in _query(database, keys.ConvertAll(key => key.MessageId)).ConfigureAwait(false))
            consumed.Add((row.MessageId, row.ConsumerId), true);
        return consumed;
    }

    private sealed record InboxKey(Guid MessageId, Guid ConsumerId);
}
