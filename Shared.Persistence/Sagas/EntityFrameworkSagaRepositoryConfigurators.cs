using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace MassTransit;

/// <summary>Configures how sagas are stored.</summary>
public interface IEntityFrameworkSagaRepositoryConfigurator
{
    /// <summary>
    /// How two messages for the same saga are kept apart. Default <see cref="MassTransit.ConcurrencyMode.Pessimistic"/>: the saga's row is
    /// locked from its loading to the commit, so the second waits. With <see cref="MassTransit.ConcurrencyMode.Optimistic"/> nothing is
    /// locked, and the one that is saved second fails and is tried again; that needs a concurrency token, and a retry policy.
    /// </summary>
    ConcurrencyMode ConcurrencyMode { set; }

    /// <summary>
    /// The isolation of a transaction the repository begins. Default <see cref="System.Data.IsolationLevel.ReadCommitted"/>: the lock or the
    /// token guards the saga, and a higher level would only add failures. In a consumer under the outbox, an open transaction is used as it is.
    /// </summary>
    IsolationLevel IsolationLevel { set; }

    /// <summary>How rows are locked. Default: as the context's database server does it.</summary>
    ILockStatementProvider LockStatementProvider { set; }

    /// <summary>Stores the sagas in a context that is registered in the container, under this type.</summary>
    /// <typeparam name="TContext">The context.</typeparam>
    void ExistingDbContext<TContext>()
        where TContext : DbContext;

    /// <summary>Registers a context, and stores the sagas in it.</summary>
    /// <typeparam name="TContext">Under which type it can also be resolved, if nothing else is registered under it.</typeparam>
    /// <typeparam name="TImplementation">The context.</typeparam>
    /// <param name="optionsAction">Configures the context's options.</param>
    void AddDbContext<TContext, TImplementation>(Action<IServiceProvider, DbContextOptionsBuilder<TImplementation>> optionsAction)
        where TContext : DbContext
        where TImplementation : DbContext, TContext;
}

/// <summary>Configures how the sagas of one type are stored.</summary>
/// <typeparam name="TSaga">The saga.</typeparam>
public interface IEntityFrameworkSagaRepositoryConfigurator<TSaga> : IEntityFrameworkSagaRepositoryConfigurator
    where TSaga : class, ISaga
{
    /// <summary>Adds to the query that loads a saga, such as an <c>Include</c>.</summary>
    /// <param name="queryCustomization">Takes the query and returns it with what is added.</param>
    void CustomizeQuery(Func<IQueryable<TSaga>, IQueryable<TSaga>> queryCustomization);
}
