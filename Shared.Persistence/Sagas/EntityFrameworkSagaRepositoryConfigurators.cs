using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace MassTransit;

/// <summary>Configures a saga repository.</summary>
public interface IEntityFrameworkSagaRepositoryConfigurator
{
    /// <summary>
    /// How the repository handles concurrent messages for one saga. Default <see cref="MassTransit.ConcurrencyMode.Pessimistic"/>: a row
    /// lock makes the second message wait. With <see cref="MassTransit.ConcurrencyMode.Optimistic"/> the second save fails, which takes a
    /// concurrency token in the saga and a retry policy on the endpoint.
    /// </summary>
    ConcurrencyMode ConcurrencyMode { set; }

    /// <summary>
    /// The isolation level of the repository's own transactions. Default <see cref="System.Data.IsolationLevel.ReadCommitted"/>: the lock
    /// or the token protects the saga, so a higher level would only add failures. An open transaction of the outbox keeps its level.
    /// </summary>
    IsolationLevel IsolationLevel { set; }

    /// <summary>The statements that lock rows. By default those of the context's database server.</summary>
    ILockStatementProvider LockStatementProvider { set; }

    /// <summary>Stores the sagas in a context that the container already provides.</summary>
    /// <typeparam name="TContext">The context.</typeparam>
    void ExistingDbContext<TContext>()
        where TContext : DbContext;

    /// <summary>Registers a context, and stores the sagas in it.</summary>
    /// <typeparam name="TContext">A second type to register the context under, unless that type is already registered.</typeparam>
    /// <typeparam name="TImplementation">The context.</typeparam>
    /// <param name="optionsAction">Configures the context's options.</param>
    void AddDbContext<TContext, TImplementation>(Action<IServiceProvider, DbContextOptionsBuilder<TImplementation>> optionsAction)
        where TContext : DbContext
        where TImplementation : DbContext, TContext;
}

/// <summary>Configures the repository of one saga type.</summary>
/// <typeparam name="TSaga">The saga.</typeparam>
public interface IEntityFrameworkSagaRepositoryConfigurator<TSaga> : IEntityFrameworkSagaRepositoryConfigurator
    where TSaga : class, ISaga
{
    /// <summary>Extends the query that loads a saga, for example with an <c>Include</c>.</summary>
    /// <param name="queryCustomization">Takes the query and returns the extended one.</param>
    void CustomizeQuery(Func<IQueryable<TSaga>, IQueryable<TSaga>> queryCustomization);
}
