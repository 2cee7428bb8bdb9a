using System.Collections.Concurrent;
using System.Data;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration.Saga;

/// <summary>Holds the settings of one saga type's repository.</summary>
internal sealed class EntityFrameworkSagaOptions<TSaga>
    where TSaga : class, ISaga
{
    private readonly ConcurrentDictionary<Type, string> _lockTags = new();

    public Func<IQueryable<TSaga>, IQueryable<TSaga>>? Query { get; set; }

    public ConcurrencyMode ConcurrencyMode { get; set; } = ConcurrencyMode.Pessimistic;

    public IsolationLevel IsolationLevel { get; set; } = IsolationLevel.ReadCommitted;

    public ILockStatementProvider? LockStatementProvider { get; set; }

    /// <summary>Applies the configured customization to a query of sagas.</summary>
    public IQueryable<TSaga> Customize(IQueryable<TSaga> sagas) => Query?.Invoke(sagas) ?? sagas;

    /// <summary>Queries sagas as a consumer loads them: locked, unless the mode is optimistic.</summary>
    public IQueryable<TSaga> For(DbContext database)
    {
        if (ConcurrencyMode != ConcurrencyMode.Pessimistic)
            return Customize(database.Set<TSaga>());
        var tag = _lockTags.GetOrAdd(database.GetType(),
            static (_, state) => RowLocks.TagFor(state.database, typeof(TSaga), state.LockStatementProvider),
            (database, LockStatementProvider));
        return Customize(database.Set<TSaga>().TagWith(tag));
    }
}
