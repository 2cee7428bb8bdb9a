using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Tells whether a consumer has consumed a message before.</summary>
internal sealed class InboxReader<TDbContext>(IServiceScopeFactory scopes) : GroupedReader<TDbContext, (Guid MessageId, Guid ConsumerId), bool>(scopes)
    where TDbContext : DbContext
{
    protected override async Task<Dictionary<(Guid MessageId, Guid ConsumerId), bool>> ReadAsync(TDbContext database, List<(Guid MessageId, Guid ConsumerId)> keys)
    {
        var messageIds = keys.ConvertAll(key => key.MessageId);
        var consumed = await database.Set<InboxState>().Where(row => messageIds.Contains(row.MessageId)).Select(row => new { row.MessageId, row.ConsumerId })
            .ToListAsync().ConfigureAwait(false);
        return consumed.ToDictionary(row => (row.MessageId, row.ConsumerId), _ => true);
    }
}
