using MassTransit.Configuration;
using MassTransit.EntityFrameworkCoreIntegration.Saga;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit;

/// <summary>Configures how the sagas of one type are stored.</summary>
public interface IEntityFrameworkSagaRepositoryConfigurator<TSaga>
    where TSaga : class, ISaga
{
    /// <summary>Stores them in a context that is registered elsewhere.</summary>
    void ExistingDbContext<TContext>()
        where TContext : DbContext;

    /// <summary>Adds to the query that loads a saga, such as an <c>Include</c>.</summary>
    void CustomizeQuery(Func<IQueryable<TSaga>, IQueryable<TSaga>> queryCustomization);
}

/// <summary>Stores sagas with Entity Framework Core.</summary>
public static class EntityFrameworkSagaRepositoryRegistrationExtensions
{
    /// <summary>Stores the sagas with Entity Framework Core.</summary>
    public static ISagaRegistrationConfigurator<TSaga> EntityFrameworkRepository<TSaga>(
        this ISagaRegistrationConfigurator<TSaga> configurator, Action<IEntityFrameworkSagaRepositoryConfigurator<TSaga>> configure)
        where TSaga : class, ISaga
    {
        var repository = new Configurator<TSaga>();
        configure(repository);
        configurator.Repository(services => repository.Register(services));
        return configurator;
    }

    private sealed class Configurator<TSaga> : IEntityFrameworkSagaRepositoryConfigurator<TSaga>
        where TSaga : class, ISaga
    {
        private readonly EntityFrameworkSagaOptions<TSaga> _options = new();
        private Action<ISagaRepositoryRegistrationConfigurator<TSaga>>? _register;

        public void ExistingDbContext<TContext>()
            where TContext : DbContext =>
            _register = services => services.RegisterSagaRepository<TSaga, DbContext, SagaConsumeContextFactory<DbContext, TSaga>,
                EntityFrameworkSagaRepositoryContextFactory<TContext, TSaga>>();

        public void CustomizeQuery(Func<IQueryable<TSaga>, IQueryable<TSaga>> queryCustomization) => _options.Customize = queryCustomization;

        public void Register(ISagaRepositoryRegistrationConfigurator<TSaga> services)
        {
            services.AddSingleton(_options);
            (_register ?? throw new ConfigurationException($"{typeof(TSaga).Name}: name the context with ExistingDbContext."))(services);
        }
    }
}
