using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration.Saga;

/// <summary>Loads the sagas of several messages with one query, for handlers that need neither a lock nor a transaction.</summary>
internal sealed class SagaReader<TDbContext, TSaga>(IServiceScopeFactory scopes) : GroupedReader<TDbContext, Guid, TSaga>(scopes)
    where TDbContext : DbContext
    where TSaga : class, ISaga
{
    private readonly Func<TDbContext, List<Guid>, IAsyncEnumerable<TSaga>> _query = EF.CompileAsyncQuery(
        (TDbContext database, List<Guid> keys) => database.Set<TSaga>().AsNoTracking().Where(saga => keys.Contains(saga.CorrelationId)));

    private bool? _isPlain;

    /// <summary>
    /// Returns whether another context can take over a saga that this reader has loaded. This requires a plain row: no shadow properties,
    /// owned types, complex properties, derived classes or query filters.
    /// </summary>
    public bool CanRead(DbContext database) => _isPlain ??= IsPlain(database.Model.FindEntityType(typeof(TSaga)));

    protected override async Task<Dictionary<Guid, TSaga>> QueryAsync(TDbContext database, List<Guid> keys)
    {
        var sagas = new Dictionary<Guid, TSaga>(keys.Count);
        await foreach (var saga in _query(database, keys).ConfigureAwait(false))
            sagas.Add(saga.CorrelationId, saga);
        return sagas;
    }

    private static bool IsPlain(IEntityType? type) =>
        type is not null && type.BaseType is null && !type.GetDerivedTypes().Any() && !type.GetProperties()
            .Any(property => property.IsShadowProperty())
        && !type.GetComplexProperties().Any() && type.GetDeclaredQueryFilters().Count == 0
        && !type.GetNavigations().Any(navigation => navigation.IsEagerLoaded || navigation.TargetEntityType.IsOwned());
}
