using System.Data;
using MassTransit.Configuration;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.EntityFrameworkCoreIntegration.Saga;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace MassTransit;

/// <summary>Stores sagas with Entity Framework Core.</summary>
public static class EntityFrameworkSagaRepositoryRegistrationExtensions
{
    /// <summary>Stores the sagas of one type with Entity Framework Core.</summary>
    /// <exception cref="ConfigurationException">The repository has no context.</exception>
    public static ISagaRegistrationConfigurator<TSaga> EntityFrameworkRepository<TSaga>(
        this ISagaRegistrationConfigurator<TSaga> configurator, Action<IEntityFrameworkSagaRepositoryConfigurator<TSaga>> configure)
        where TSaga : class, ISaga
    {
        var repository = new Configurator<TSaga>();
        configure(repository);
        configurator.Repository(repository.Register);
        return configurator;
    }

    /// <summary>Stores all sagas that have no repository of their own with Entity Framework Core.</summary>
    /// <param name="configurator">The registration.</param>
    /// <param name="configure">Configures the repository of each saga type.</param>
    public static void SetEntityFrameworkSagaRepositoryProvider(
        this IRegistrationConfigurator configurator, Action<IEntityFrameworkSagaRepositoryConfigurator> configure) =>
        configurator.SetSagaRepositoryProvider(new RepositoryProvider(configure));

    private sealed class RepositoryProvider(Action<IEntityFrameworkSagaRepositoryConfigurator> configure)
        : ISagaRepositoryRegistrationProvider
    {
        public void Configure<TSaga>(ISagaRegistrationConfigurator<TSaga> configurator)
            where TSaga : class, ISaga =>
            configurator.EntityFrameworkRepository(repository => configure(repository));
    }

    private sealed class Configurator<TSaga> : IEntityFrameworkSagaRepositoryConfigurator<TSaga>
        where TSaga : class, ISaga
    {
        private readonly EntityFrameworkSagaOptions<TSaga> _options = new();
        private Action<ISagaRepositoryRegistrationConfigurator<TSaga>>? _register;

        public ConcurrencyMode ConcurrencyMode { set => _options.ConcurrencyMode = value; }

        public IsolationLevel IsolationLevel { set => _options.IsolationLevel = value; }

        public ILockStatementProvider LockStatementProvider { set => _options.LockStatementProvider = value; }

        public void CustomizeQuery(Func<IQueryable<TSaga>, IQueryable<TSaga>> queryCustomization) => _options.Query = queryCustomization;

        public void ExistingDbContext<TContext>()
            where TContext : DbContext =>
            _register = Use<TContext>;

        public void AddDbContext<TContext, TImplementation>(
            Action<IServiceProvider, DbContextOptionsBuilder<TImplementation>> optionsAction)
            where TContext : DbContext
            where TImplementation : DbContext, TContext =>
            _register = services =>
            {
                services.AddDbContext<TImplementation>((provider, options) =>
                    optionsAction(provider, (DbContextOptionsBuilder<TImplementation>)options));
                // The documentation uses DbContext as TContext for every saga; only the first registration may win.
                services.TryAddScoped<TContext>(provider => provider.GetRequiredService<TImplementation>());
                Use<TImplementation>(services);
            };

        public void Register(ISagaRepositoryRegistrationConfigurator<TSaga> services)
        {
            services.AddSingleton(_options);
            if (_register is null)
                throw new ConfigurationException($"{typeof(TSaga).Name} has no context. Call ExistingDbContext or AddDbContext.");
            _register(services);
        }

        private void Use<TContext>(ISagaRepositoryRegistrationConfigurator<TSaga> services)
            where TContext : DbContext
        {
            if (_options.ConcurrencyMode == ConcurrencyMode.Pessimistic)
                RowLocks.AddTo(services, typeof(TContext));
            services.TryAddSingleton<SagaReader<TContext, TSaga>>();
            services.RegisterSagaRepository<TSaga, DbContext, SagaConsumeContextFactory<DbContext, TSaga>,
                EntityFrameworkSagaRepositoryContextFactory<TContext, TSaga>>();
            services.RegisterLoadSagaRepository<TSaga, EntityFrameworkSagaRepositoryContextFactory<TContext, TSaga>>();
            services.RegisterQuerySagaRepository<TSaga, EntityFrameworkSagaRepositoryContextFactory<TContext, TSaga>>();
        }
    }
}
