// A FHIR R4 server on 127.0.0.1: HAPI's JPA store over H2, which validates every write and delivers rest-hook subscriptions.
// Arguments: the port, the JDBC address of the H2 database, and elements (DiagnosticReport.subject) whose references are kept with a version.
import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig
import ca.uhn.fhir.context.FhirContext
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc
import ca.uhn.fhir.jpa.binary.svc.NullBinaryStorageSvcImpl
import ca.uhn.fhir.jpa.config.HapiJpaConfig
import ca.uhn.fhir.jpa.config.r4.JpaR4Config
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil
import ca.uhn.fhir.jpa.model.config.PartitionSettings
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider
import ca.uhn.fhir.jpa.searchparam.config.NicknameServiceConfig
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig
import ca.uhn.fhir.jpa.subscription.submit.interceptor.SubscriptionSubmitInterceptorLoader
import ca.uhn.fhir.jpa.topic.SubscriptionTopicConfig
import ca.uhn.fhir.rest.api.EncodingEnum
import ca.uhn.fhir.rest.server.HardcodedServerAddressStrategy
import ca.uhn.fhir.rest.server.RestfulServer
import ca.uhn.fhir.rest.server.interceptor.RequestValidatingInterceptor
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport
import ca.uhn.fhir.context.support.IValidationSupport
import ca.uhn.fhir.validation.IInstanceValidatorModule
import ca.uhn.fhir.validation.ResultSeverityEnum
import jakarta.persistence.EntityManagerFactory
import org.apache.commons.dbcp2.BasicDataSource
import org.eclipse.jetty.ee10.servlet.ServletContextHandler
import org.eclipse.jetty.ee10.servlet.ServletHolder
import org.eclipse.jetty.server.Server
import org.hl7.fhir.dstu2.model.Subscription.SubscriptionChannelType
import org.hl7.fhir.r4.model.CodeSystem
import org.hl7.fhir.r4.model.CodeSystem.ConceptDefinitionComponent
import org.hl7.fhir.r4.model.CodeableConcept
import org.hl7.fhir.r4.model.DiagnosticReport
import org.hl7.fhir.r4.model.DiagnosticReport.DiagnosticReportStatus
import org.springframework.context.annotation.AnnotationConfigApplicationContext
import org.springframework.orm.jpa.JpaTransactionManager
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean

import javax.sql.DataSource
import java.nio.channels.ServerSocketChannel
import java.util.function.Supplier

def port = args[0] as int
def database = args[1]
def versionedReferences = args.drop(2) as List<String>
def fresh = database.startsWith('jdbc:h2:mem:')

def storage(List<String> versionedReferences) {
    def settings = new JpaStorageSettings()
    settings.resourceClientIdStrategy = JpaStorageSettings.ClientIdStrategyEnum.ANY
    settings.enforceReferentialIntegrityOnWrite = true
    settings.enforceReferentialIntegrityOnDelete = true
    settings.reuseCachedSearchResultsForMillis = null // a search sees what was written before it
    settings.preExpandValueSets = false
    settings.autoVersionReferenceAtPaths = versionedReferences as String[]
    settings
}

def subscriptions() {
    def settings = new SubscriptionSettings()
    settings.addSupportedSubscriptionType(SubscriptionChannelType.RESTHOOK)
    settings.subscriptionChangeQueuedImmediately = true // else a write waits up to 5 s for its notification
    settings.subscriptionIntervalInMs = 250 // how often stored changes are matched
    settings
}

def pool(String url) {
    def source = new BasicDataSource()
    source.driver = new org.h2.Driver()
    source.url = url
    source.username = ''
    source.password = ''
    source.maxTotal = 40
    source.maxIdle = 40
    source
}

def entityManagerFactory(AnnotationConfigApplicationContext beans, boolean fresh) {
    def factory = HapiEntityManagerFactoryUtil.newEntityManagerFactory(
        beans.beanFactory, beans.getBean(FhirContext), beans.getBean(JpaStorageSettings))
    factory.persistenceUnitName = 'tocsin'
    factory.dataSource = beans.getBean(DataSource)
    factory.jpaProperties = new Properties().tap {
        put('hibernate.dialect', HapiFhirH2Dialect.name)
        put('hibernate.hbm2ddl.auto', fresh ? 'create' : 'update')
        put('hibernate.search.enabled', 'false')
    }
    factory
}

// R4 froze terminologies before these codes existed. Each is added where its owner has since put it, so that it is known and a misspelt one
// is still refused: HL7's label for what an AI asserts, beneath "asserted by", and DICOM's modality of dermoscopy.
def knowNewerCodes(DefaultProfileValidationSupport terminology) {
    def values = terminology.fetchCodeSystem('http://terminology.hl7.org/CodeSystem/v3-ObservationValue') as CodeSystem
    concept(values.concept, '_SECINTPRVABOBV').addConcept().setCode('AIAST').setDisplay('Artificial Intelligence asserted')
    def modalities = terminology.fetchCodeSystem('http://dicom.nema.org/resources/ontology/DCM') as CodeSystem
    modalities.addConcept().setCode('DMS').setDisplay('Dermoscopy')
}

def concept(List<ConceptDefinitionComponent> concepts, String code) {
    concepts.findResult { it.code == code ? it : concept(it.concept, code) }
}

// Whoever asked while the port was only held has given up, or will ask again: what was asked then is not done behind anybody's back.
def hangUp(ServerSocketChannel held) {
    held.configureBlocking(false)
    for (def early = held.accept(); early != null; early = held.accept()) {
        early.close()
    }
    held.configureBlocking(true)
}

def server = new Server(new InetSocketAddress('127.0.0.1', port))
server.connectors[0].open() // holds the port while the rest starts, or fails at once

def beans = new AnnotationConfigApplicationContext()
beans.register(JpaR4Config, HapiJpaConfig, JpaBatch2Config, Batch2JobsConfig, NicknameServiceConfig, ThreadPoolFactoryConfig,
    SubscriptionTopicConfig, SubscriptionChannelConfig, SubscriptionProcessorConfig, SubscriptionSubmitterConfig)
beans.registerBean(JpaStorageSettings, { storage(versionedReferences) } as Supplier)
beans.registerBean(SubscriptionSettings, { subscriptions() } as Supplier)
beans.registerBean(PartitionSettings, { new PartitionSettings() } as Supplier)
beans.registerBean(IBinaryStorageSvc, { new NullBinaryStorageSvcImpl() } as Supplier)
beans.registerBean(IEmailSender, { { details -> } as IEmailSender } as Supplier) // asked for by type; e-mail is no supported channel
beans.registerBean(DataSource, { pool(database) } as Supplier)
beans.registerBean('entityManagerFactory', LocalContainerEntityManagerFactoryBean, { entityManagerFactory(beans, fresh) } as Supplier)
beans.registerBean('transactionManager', JpaTransactionManager, { new JpaTransactionManager(beans.getBean(EntityManagerFactory)) } as Supplier)
beans.refresh()
beans.registerShutdownHook()
beans.getBean(FhirContext).parserOptions.setDontStripVersionsFromReferencesAtPaths(versionedReferences)
knowNewerCodes(beans.getBean(DefaultProfileValidationSupport))

def validation = new RequestValidatingInterceptor()
validation.addValidatorModule(beans.getBean(IInstanceValidatorModule))
validation.failOnSeverity = ResultSeverityEnum.ERROR
validation.addResponseHeaderOnSeverity = null

// The first validation reads every profile of R4. It is done here, since each of several first writes would do all of it for itself, and
// who waits no longer asks again.
beans.getBean(FhirContext).newValidator().registerValidatorModule(beans.getBean(IInstanceValidatorModule)).validateWithResult(
    new DiagnosticReport().setStatus(DiagnosticReportStatus.PRELIMINARY).setCode(new CodeableConcept().setText('none')))

def rest = new RestfulServer(beans.getBean(FhirContext))
rest.registerProviders(beans.getBean('myResourceProvidersR4', ResourceProviderFactory).createProviders())
rest.registerProvider(beans.getBean('mySystemProviderR4'))
rest.registerInterceptor(validation)
rest.defaultResponseEncoding = EncodingEnum.JSON
rest.pagingProvider = beans.getBean(DatabaseBackedPagingProvider)
rest.serverAddressStrategy = new HardcodedServerAddressStrategy("http://127.0.0.1:$port/fhir")
rest.serverConformanceProvider = new JpaCapabilityStatementProvider(rest, beans.getBean('mySystemDaoR4'), beans.getBean(JpaStorageSettings),
    beans.getBean(ISearchParamRegistry), beans.getBean(IValidationSupport))
beans.getBean(SubscriptionSubmitInterceptorLoader).start()

def servlets = new ServletContextHandler()
servlets.contextPath = '/'
servlets.addServlet(new ServletHolder(rest), '/fhir/*')
server.handler = servlets
server.stopAtShutdown = true
hangUp(server.connectors[0].transport)
server.start()
server.join()
