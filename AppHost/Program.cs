using ConcertSaga.AppHost;

return await LocalProduct.RunAsync(args);
